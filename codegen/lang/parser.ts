/**
 * The parser of the expression language: TypeScript's expression syntax, by operator precedence (Pratt). Text in, tree out; the
 * first syntax error is thrown as a DiagnosticError. It resolves no names and knows no types.
 */
import type { AttrType } from '../../kernels/op.js';
import { DiagnosticError, didYouMean } from '../spec/diagnostic.js';
import { type SourceText, type Span, spanOf } from '../spec/source.js';
import type {
  Access,
  Assignment,
  AttrTypeNode,
  BinaryOperator,
  Expression,
  IndexProgram,
  IndexStatement,
  Item,
  Option,
  Parameter,
  PatternItem,
  Program,
  ShapePattern,
  Spread,
} from './ast.js';
import { syntaxError, syntaxProblem, type Token, tokenize } from './lexer.js';

/** How tightly each operator binds; `**` to the right, the others to the left. */
const precedence: Readonly<Record<BinaryOperator, number>> = {
  '??': 2,
  '||': 3,
  '&&': 4,
  '==': 5,
  '!=': 5,
  '<': 6,
  '<=': 6,
  '>': 6,
  '>=': 6,
  '+': 7,
  '-': 7,
  '*': 8,
  '/': 8,
  '%': 8,
  '**': 10,
};
const lowest = 0;
const conditionalPrecedence = 1;
/** Enough for anything written by hand; they keep hostile specs from exhausting the stack, here and in every walk over the tree. */
const deepestNesting = 200;
const mostTokens = 2000;

/** One expression, and nothing after it. */
export function parseExpression(text: SourceText): Expression {
  const parser = new Parser(text);
  const expression = parser.expression();
  parser.finish();
  return expression;
}

/** Lines of `name = value`; the last may be a value alone. */
export function parseProgram(text: SourceText): Program {
  const parser = new Parser(text);
  const start = parser.next.start;
  const assignments: Assignment[] = [];
  let result: Expression | undefined;
  do {
    if (result !== undefined)
      throw parser.error('only the last line may be a value alone', 'give the line before a name: name = value', result.span);
    if (parser.atAssignment()) assignments.push(parser.assignment());
    else result = parser.expression();
  } while (parser.takeNewline());
  parser.finish();
  return { assignments, result, span: parser.spanFrom(start) };
}

/** Lines of `out[i, ...c] = x[index[i], ...c]`, or `+=`. */
export function parseIndexKernel(text: SourceText): IndexProgram {
  const parser = new Parser(text, { accesses: true });
  const start = parser.next.start;
  const statements: IndexStatement[] = [];
  do statements.push(parser.indexStatement());
  while (parser.takeNewline());
  parser.finish();
  return { statements, span: parser.spanFrom(start) };
}

/**
 * `[...b, m, k]` as a pattern that binds names; any other expression as a shape that must be equal. Names in `values` (attributes)
 * are sizes, not dimensions to bind.
 */
export function parseShapePattern(text: SourceText, values: ReadonlySet<string> = new Set()): ShapePattern {
  const shape = parseExpression(text);
  if (shape.kind !== 'list') return { kind: 'exact', shape, span: shape.span };
  return { kind: 'pattern', items: shape.items.map((item) => patternItem(item, values)), span: shape.span };
}

function patternItem(item: Item, values: ReadonlySet<string>): PatternItem {
  const { span } = item;
  if (item.kind === 'name' && !values.has(item.name)) return { kind: 'dimension', name: item.name, span };
  if (item.kind !== 'spread') return { kind: 'size', size: item, span };
  if (item.value.kind === 'name' && !values.has(item.value.name)) return { kind: 'group', name: item.value.name, span };
  return { kind: 'sizes', sizes: item.value, span };
}

/** `int | int[2]`, `'mean' | 'sum'`, `axis(x) | null`, `axis(x + 1)[]`: the type of an attribute. */
export function parseAttrType(text: SourceText): AttrTypeNode {
  const parser = new Parser(text);
  const start = parser.next.start;
  const inputs: { name: string; span: Span }[] = [];
  const type = parser.attrType(inputs);
  parser.finish();
  return { text: text.text.trim(), type, inputs, span: parser.spanFrom(start) };
}

const plainTypes = ['int', 'number', 'boolean', 'string', 'dtype', 'shape', 'null', 'pair'] as const;
const attrTypeNames = [...plainTypes, 'axis', 'axes'];

interface Mode {
  /** Whether `x[...]` is an element of a tensor, with any number of indices. */
  readonly accesses: boolean;
}

class Parser {
  readonly #text: SourceText;
  readonly #tokens: readonly Token[];
  readonly #mode: Mode;
  #at = 0;
  #nesting = 0;

  constructor(text: SourceText, mode: Mode = { accesses: false }) {
    this.#text = text;
    this.#tokens = tokenize(text);
    this.#mode = mode;
    const beyond = this.#tokens[mostTokens];
    if (beyond !== undefined)
      throw syntaxError(
        text,
        beyond.start,
        beyond.end,
        'the text is too long',
        'share parts of it: let, rules, or ops of their own',
      );
  }

  get next(): Token {
    return this.#peek(0);
  }

  #peek(ahead: number): Token {
    const token = this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)];
    if (token === undefined) throw new Error('a token list ends with an end token');
    return token;
  }

  #advance(): Token {
    const token = this.next;
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  #isSymbol(symbol: string, ahead = 0): boolean {
    const token = this.#peek(ahead);
    return token.kind === 'symbol' && token.text === symbol;
  }

  #take(symbol: string): boolean {
    if (!this.#isSymbol(symbol)) return false;
    this.#at++;
    return true;
  }

  #expect(symbol: string, why: string): Token {
    if (!this.#isSymbol(symbol)) throw this.#unexpected(`expected '${symbol}' ${why}`);
    return this.#advance();
  }

  #expectName(what: string): Token {
    if (this.next.kind !== 'name') throw this.#unexpected(`expected ${what}`);
    return this.#advance();
  }

  takeNewline(): boolean {
    if (this.next.kind !== 'newline') return false;
    this.#at++;
    return true;
  }

  finish(): void {
    const { kind, text } = this.next;
    if (kind === 'end') return;
    if (kind === 'newline')
      throw this.error('only one expression may stand here', 'an expression goes on where a line ends with an operator');
    if (text === '=') throw this.error("'=' assigns, and nothing is assigned here", "use '==' to compare");
    throw this.#unexpected('expected the end of the expression');
  }

  #unexpected(expected: string): Error {
    const { kind, text } = this.next;
    const found =
      kind === 'end'
        ? 'the end'
        : kind === 'newline'
          ? 'the end of the line'
          : kind === 'string'
            ? `the string '${text}'`
            : `'${text}'`;
    return this.error(`${expected}, found ${found}`);
  }

  /** A syntax error at the next token, or at a span. */
  error(message: string, hint?: string, span?: Span): Error {
    if (span !== undefined) return new DiagnosticError([syntaxProblem(span, message, hint)]);
    return syntaxError(this.#text, this.next.start, this.next.end, message, hint);
  }

  /** From a place in the text to the end of the last token taken. */
  spanFrom(start: number): Span {
    const last = this.#tokens[this.#at - 1];
    return spanOf(this.#text, start, Math.max(start, last === undefined ? start : last.end));
  }

  #tokenSpan(token: Token): Span {
    return spanOf(this.#text, token.start, token.end);
  }

  /** An expression whose operators all bind more tightly than `floor`. */
  expression(floor = lowest): Expression {
    this.#enter();
    const start = this.next.start;
    let left = this.#operand();
    for (;;) {
      const operator = this.#binaryOperator();
      if (operator !== undefined && precedence[operator] > floor) left = this.#binary(start, left, operator);
      else if (floor < conditionalPrecedence && this.#isSymbol('?')) left = this.#conditional(start, left);
      else break;
    }
    this.#nesting--;
    return left;
  }

  #enter(): void {
    if (++this.#nesting > deepestNesting) throw this.error('this is nested too deeply', 'name a part of it on a line of its own');
  }

  #binaryOperator(): BinaryOperator | undefined {
    const { kind, text } = this.next;
    return kind === 'symbol' && isBinaryOperator(text) ? text : undefined;
  }

  #binary(start: number, left: Expression, operator: BinaryOperator): Expression {
    const operatorSpan = this.#tokenSpan(this.#advance());
    const level = precedence[operator];
    const right = this.expression(operator === '**' ? level - 1 : level);
    return { kind: 'binary', operator, operatorSpan, left, right, span: this.spanFrom(start) };
  }

  #conditional(start: number, condition: Expression): Expression {
    this.#advance();
    const then = this.expression();
    this.#expect(':', 'and the value for when the condition is false');
    const otherwise = this.expression();
    return { kind: 'conditional', condition, then, otherwise, span: this.spanFrom(start) };
  }

  #operand(): Expression {
    const { start, text } = this.next;
    if (this.#isSymbol('-') || this.#isSymbol('!')) {
      this.#advance();
      const operand = this.expression(precedence['**']);
      const span = this.spanFrom(start);
      if (this.#isSymbol('**'))
        throw this.error(`'${text}a ** b' can be read in two ways`, 'put parentheses around one of them', span);
      return { kind: 'unary', operator: text === '-' ? '-' : '!', operand, span };
    }
    let operand = this.#primary();
    for (;;) {
      if (this.#isSymbol('.')) operand = this.#member(start, operand);
      else if (this.#isSymbol('[')) operand = this.#mode.accesses ? this.#access(start, operand) : this.#index(start, operand);
      else if (this.#isSymbol('(')) throw this.#notCallable(operand);
      else return operand;
    }
  }

  #primary(): Expression {
    const token = this.next;
    const span = this.#tokenSpan(token);
    if (token.kind === 'number') {
      this.#advance();
      return { kind: 'number', value: Number(token.text), integer: /^\d+$/.test(token.text), span };
    }
    if (token.kind === 'string') {
      this.#advance();
      return { kind: 'string', value: token.text, span };
    }
    if (this.#atArrow()) return this.#arrow();
    if (token.kind === 'name') return this.#named();
    if (this.#isSymbol('[')) {
      this.#advance();
      const items = this.#items(']', 'to end the list');
      return { kind: 'list', items, span: this.spanFrom(token.start) };
    }
    if (this.#take('(')) {
      const inner = this.expression();
      this.#expect(')', 'to close the parenthesis');
      // The span takes the parentheses in, so that a caret shows all that was meant.
      return { ...inner, span: this.spanFrom(token.start) };
    }
    if (this.#isSymbol('{'))
      throw this.error("'{' begins options, and these may only end a call's arguments", 'call(x, { option: value })');
    throw this.#unexpected('expected a value');
  }

  #named(): Expression {
    const token = this.#advance();
    const span = this.#tokenSpan(token);
    if (token.text === 'true' || token.text === 'false') return { kind: 'boolean', value: token.text === 'true', span };
    if (token.text === 'null') return { kind: 'null', span };
    if (!this.#isSymbol('(')) return { kind: 'name', name: token.text, span };
    this.#advance();
    const { items, options } = this.#arguments();
    return { kind: 'call', callee: token.text, calleeSpan: span, arguments: items, options, span: this.spanFrom(token.start) };
  }

  #member(start: number, object: Expression): Expression {
    this.#advance();
    const name = this.#expectName("a property's name after '.'");
    return { kind: 'member', object, name: name.text, nameSpan: this.#tokenSpan(name), span: this.spanFrom(start) };
  }

  #index(start: number, object: Expression): Expression {
    this.#advance();
    const index = this.expression();
    if (this.#isSymbol(',')) throw this.error('one index may stand here', 'x.shape[0]; several indices belong to index kernels');
    this.#expect(']', 'to close the index');
    return { kind: 'index', object, index, span: this.spanFrom(start) };
  }

  #access(start: number, tensor: Expression): Access {
    if (tensor.kind !== 'name') throw this.error('only a tensor can be indexed here', 'x[i, j]', tensor.span);
    this.#advance();
    const indices = this.#items(']', 'to close the indices');
    return { kind: 'access', tensor: tensor.name, tensorSpan: tensor.span, indices, span: this.spanFrom(start) };
  }

  #notCallable(operand: Expression): Error {
    if (operand.kind !== 'member') return this.error('only a name can be called', 'name(x)', operand.span);
    return this.error('there are no methods here', `call it as a function: ${operand.name}(x)`, operand.nameSpan);
  }

  /** Expressions and spreads, separated by commas, up to and with the closing symbol. */
  #items(close: string, why: string): readonly Item[] {
    const items: Item[] = [];
    while (!this.#take(close)) {
      if (items.length > 0) this.#expect(',', `or '${close}' ${why}`);
      if (this.#take(close)) break;
      items.push(this.#item());
    }
    return items;
  }

  #item(): Item {
    const { start } = this.next;
    if (!this.#take('...')) return this.expression();
    const spread: Spread = { kind: 'spread', value: this.expression(), span: this.spanFrom(start) };
    return spread;
  }

  #arguments(): { readonly items: readonly Item[]; readonly options: readonly Option[] } {
    const items: Item[] = [];
    let options: readonly Option[] = [];
    let first = true;
    while (!this.#take(')')) {
      if (!first) this.#expect(',', "or ')' to close the call");
      first = false;
      if (this.#isSymbol('{')) {
        options = this.#options();
        this.#take(',');
        this.#expect(')', 'after the options: they come last');
        break;
      }
      if (!this.#isSymbol(')')) items.push(this.#item());
    }
    return { items, options };
  }

  #options(): readonly Option[] {
    const options: Option[] = [];
    this.#advance();
    while (!this.#take('}')) {
      if (options.length > 0) this.#expect(',', "or '}' to end the options");
      if (this.#take('}')) break;
      const token = this.#expectName("an option's name");
      const nameSpan = this.#tokenSpan(token);
      if (options.some((option) => option.name === token.text))
        throw this.error(`option '${token.text}' is given twice`, undefined, nameSpan);
      const value: Expression = this.#take(':') ? this.expression() : { kind: 'name', name: token.text, span: nameSpan };
      options.push({ name: token.text, nameSpan, value, span: this.spanFrom(token.start) });
    }
    return options;
  }

  /** `x =>`, `(x, i) =>` or `() =>` lies ahead. */
  #atArrow(): boolean {
    if (this.next.kind === 'name') return this.#isSymbol('=>', 1);
    if (!this.#isSymbol('(')) return false;
    let ahead = 1;
    while (this.#peek(ahead).kind === 'name' || this.#isSymbol(',', ahead)) ahead++;
    return this.#isSymbol(')', ahead) && this.#isSymbol('=>', ahead + 1);
  }

  #arrow(): Expression {
    const { start } = this.next;
    const parameters: Parameter[] = [];
    if (this.next.kind === 'name') parameters.push(this.#parameter());
    else {
      this.#advance();
      while (!this.#take(')')) {
        if (parameters.length > 0) this.#expect(',', 'between parameters');
        parameters.push(this.#parameter());
      }
    }
    this.#expect('=>', 'after the parameters');
    const body = this.expression();
    return { kind: 'arrow', parameters, body, span: this.spanFrom(start) };
  }

  #parameter(): Parameter {
    const token = this.#expectName("a parameter's name");
    return { name: token.text, span: this.#tokenSpan(token) };
  }

  atAssignment(): boolean {
    return this.next.kind === 'name' && this.#isSymbol('=', 1);
  }

  assignment(): Assignment {
    const name = this.#advance();
    this.#advance();
    const value = this.expression();
    return { name: name.text, nameSpan: this.#tokenSpan(name), value, span: this.spanFrom(name.start) };
  }

  indexStatement(): IndexStatement {
    const { start } = this.next;
    const target = this.#operand();
    if (target.kind !== 'access')
      throw this.error("a line of an index kernel assigns to an output's elements", 'out[i, ...c] = x[i, ...c]', target.span);
    const operator = this.#isSymbol('+=') ? '+=' : '=';
    if (!this.#take('+=')) this.#expect('=', "or '+=' after the output's element");
    const value = this.expression();
    return { target, operator, value, span: this.spanFrom(start) };
  }

  attrType(inputs: { name: string; span: Span }[]): AttrType {
    this.#enter();
    const options: AttrType[] = [];
    do options.push(this.#listType(inputs));
    while (this.#take('|'));
    this.#nesting--;
    const [only] = options;
    return only !== undefined && options.length === 1 ? only : { kind: 'union', options };
  }

  #listType(inputs: { name: string; span: Span }[]): AttrType {
    let type = this.#singleType(inputs);
    while (this.#take('[')) {
      const length = this.next.kind === 'number' ? Number(this.#advance().text) : undefined;
      this.#expect(']', "after the list's length");
      type = { kind: 'list', of: type, ...(length === undefined ? {} : { length }) };
    }
    return type;
  }

  #singleType(inputs: { name: string; span: Span }[]): AttrType {
    if (this.#take('(')) {
      const type = this.attrType(inputs);
      this.#expect(')', 'to close the parenthesis');
      return type;
    }
    if (this.next.kind === 'string') return { kind: 'literal', value: this.#advance().text };
    const sign = this.#take('-') ? -1 : 1;
    if (this.next.kind === 'number') return { kind: 'literal', value: sign * Number(this.#advance().text) };
    const token = this.#expectName('a type');
    const plain = plainTypes.find((name) => name === token.text);
    if (plain !== undefined) return { kind: plain };
    if (token.text === 'axis' || token.text === 'axes') return this.#axisType(token.text, inputs);
    throw this.error(
      `unknown type '${token.text}'`,
      didYouMean(token.text, attrTypeNames) ??
        `types are ${attrTypeNames.join(', ')}, literals such as 'mean', and lists such as int[]`,
      this.#tokenSpan(token),
    );
  }

  /** `axis(x)`, `axes(x)`, or `axis(x + 1)` where the place after the last axis may be named too. */
  #axisType(kind: 'axis' | 'axes', inputs: { name: string; span: Span }[]): AttrType {
    this.#expect('(', `after ${kind}: it names the input whose axes are meant, ${kind}(x)`);
    const input = this.#expectName("an input's name");
    inputs.push({ name: input.text, span: this.#tokenSpan(input) });
    const extra = kind === 'axis' && this.#take('+') ? 1 : 0;
    if (extra === 1 && this.#advance().text !== '1') throw this.error('only one place more can be named', 'axis(x + 1)');
    this.#expect(')', "after the input's name");
    return kind === 'axis' ? { kind, of: input.text, extra } : { kind, of: input.text };
  }
}

function isBinaryOperator(text: string): text is BinaryOperator {
  return Object.hasOwn(precedence, text);
}
