/**
 * Cuts a text of the expression language into tokens. Line breaks are tokens only where a statement may end: not inside brackets,
 * not after or before an operator that needs another operand. Comments run from `//` to the end of the line.
 */
import { type Diagnostic, DiagnosticError, diagnosticAt } from '../spec/diagnostic.js';
import { type SourceText, type Span, spanOf } from '../spec/source.js';

export interface Token {
  readonly kind: 'number' | 'string' | 'name' | 'symbol' | 'newline' | 'end';
  /** As written; of a string, the characters it stands for. */
  readonly text: string;
  /** Places in the text, not in the file. */
  readonly start: number;
  readonly end: number;
}

/** Longest first, so that the first match is the right one. `===`, `&` and the like are read whole, to be refused with advice. */
const symbols = (
  '=== !== ... ** => == != <= >= && || ?? ?. += -= *= /= ++ -- << >> ' + '( ) [ ] { } , . : ? = < > + - * / % ! & | ^ ~ ;'
).split(' ');

const adviceFor: Readonly<Record<string, string>> = {
  '===': "use '=='",
  '!==': "use '!='",
  '?.': "use 'present(x) ? x.y : z'",
  '-=': "only '=' and '+=' exist",
  '*=': "only '=' and '+=' exist",
  '/=': "only '=' and '+=' exist",
  '++': 'write x + 1',
  '--': 'write x - 1',
  '<<': 'there are no bitwise operators; call an op such as bitwiseAnd',
  '>>': 'there are no bitwise operators; call an op such as bitwiseAnd',
  '&': "use '&&', or call bitwiseAnd",
  '^': 'use pow or **, or call bitwiseXor',
  '~': "use '!', or call bitwiseNot",
  ';': 'statements end with their line',
};

/** A line that ends with one of these goes on in the next. */
const expectsMore = new Set([
  '=',
  '+=',
  '=>',
  '?',
  ':',
  '??',
  '||',
  '&&',
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  '+',
  '-',
  '*',
  '/',
  '%',
  '**',
  '.',
  ',',
]);
/** A line that begins with one of these continues the last; `-` begins an expression of its own. */
const continuesLine = new Set([...expectsMore].filter((symbol) => symbol !== '-'));

const patterns = {
  space: /[ \t]+|\/\/[^\n]*/y,
  lineBreak: /\r?\n/y,
  number: /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y,
  name: /[A-Za-z_$][\w$]*/y,
};

export function syntaxError(text: SourceText, start: number, end: number, message: string, hint?: string): DiagnosticError {
  return new DiagnosticError([syntaxProblem(spanOf(text, start, end), message, hint)]);
}

export function syntaxProblem(span: Span, message: string, hint?: string): Diagnostic {
  return diagnosticAt('SYNTAX', message, span, hint);
}

export function tokenize(source: SourceText): readonly Token[] {
  const { text } = source;
  const tokens: Token[] = [];
  let depth = 0;
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  const push = (kind: Token['kind'], length: number, value = text.slice(at, at + length)): void => {
    tokens.push({ kind, text: value, start: at, end: at + length });
    at += length;
  };
  while (at < text.length) {
    const character = text[at] ?? '';
    const space = match(patterns.space);
    const lineBreak = match(patterns.lineBreak);
    const number = match(patterns.number);
    const name = match(patterns.name);
    if (space !== undefined) at += space.length;
    else if (lineBreak !== undefined) {
      if (depth === 0) push('newline', lineBreak.length);
      else at += lineBreak.length;
    } else if (number !== undefined) {
      if (/[\w$]/.test(text[at + number.length] ?? '')) {
        throw syntaxError(
          source,
          at,
          at + number.length + 1,
          `'${text.slice(at, at + number.length + 1)}' is neither a number nor a name`,
        );
      }
      push('number', number.length);
    } else if (name !== undefined) push('name', name.length);
    else if (character === "'" || character === '"') {
      const string = readString(source, at);
      push('string', string.length, string.value);
    } else {
      const symbol = symbols.find((candidate) => text.startsWith(candidate, at));
      if (symbol === undefined) throw syntaxError(source, at, at + 1, `unexpected character '${character}'`);
      const advice = adviceFor[symbol];
      if (advice !== undefined)
        throw syntaxError(source, at, at + symbol.length, `'${symbol}' is not part of the language`, advice);
      if ('([{'.includes(symbol)) depth++;
      if (')]}'.includes(symbol)) depth = Math.max(0, depth - 1);
      push('symbol', symbol.length);
    }
  }
  push('end', 0);
  return joinLines(tokens);
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', '\\': '\\', "'": "'", '"': '"' };

function readString(source: SourceText, start: number): { value: string; length: number } {
  const { text } = source;
  const quote = text[start];
  let value = '';
  for (let at = start + 1; at < text.length && text[at] !== '\n'; at++) {
    const character = text[at] ?? '';
    if (character === quote) return { value, length: at + 1 - start };
    if (character !== '\\') {
      value += character;
      continue;
    }
    at++;
    const meaning = escapes[text[at] ?? ''];
    if (meaning === undefined)
      throw syntaxError(source, at - 1, at + 1, 'unknown escape', 'only \\n, \\t, \\\\, \\\' and \\" exist');
    value += meaning;
  }
  throw syntaxError(source, start, start + 1, 'the string is not closed', `end it with ${quote}`);
}

/** Drops the line breaks that end no statement: doubled ones, those at the ends, and those within an expression. */
function joinLines(tokens: readonly Token[]): readonly Token[] {
  const kept: Token[] = [];
  tokens.forEach((token, place) => {
    if (token.kind === 'newline') {
      const before = kept.at(-1);
      const after = tokens.slice(place).find((next) => next.kind !== 'newline');
      const open =
        before === undefined || before.kind === 'newline' || (before.kind === 'symbol' && expectsMore.has(before.text));
      const goesOn = after === undefined || after.kind === 'end' || (after.kind === 'symbol' && continuesLine.has(after.text));
      if (open || goesOn) return;
    }
    kept.push(token);
  });
  return kept;
}
