/**
 * The errors of an op: the rules that it states, and calls that are refused, with what the library says to each when it is made.
 */
import { errorCodes, OpwrightError } from '../../entry/index.js';
import type { ErrorCase, OpCase } from '../../test/matrix/cases.js';
import { argumentList, functionOf, makeArguments, sampleElements, tensorsOf, withArguments } from '../../test/matrix/invoke.js';
import type { DocumentedOp } from './library.js';
import { code, fence, table } from './markdown.js';
import { sampleText } from './op-kernels.js';

export function errorsText({ op }: DocumentedOp, test: OpCase): string {
  const rules = op.constraints.map(({ code, message }) => [code, sentence(message)] as const);
  const general = [...new Set(test.errors.map(({ code }) => code))].filter((one) => !rules.some(([code]) => code === one));
  const rows = [...rules, ...general.map((one) => [one, meaningOf(one)] as const)];
  const refused = test.errors.map((one, place) =>
    `- ${code(sampleText(one))}\n\n${fence('error', messageOf(test, one, place))}`.replaceAll('\n', '\n  '),
  );
  return [
    rows.length === 0
      ? ''
      : table(
          ['code', 'when'],
          rows.map(([one, when]) => [`[${code(one)}](../reference/errors.md#${one.toLowerCase()})`, when]),
        ),
    refused.length === 0 ? '' : `Calls that are refused, and what they say:\n\n${refused.join('\n')}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function meaningOf(one: string): string {
  const known: Readonly<Record<string, string>> = errorCodes;
  return known[one] ?? '';
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
}

/** What the call really says. Throws if it is accepted. */
function messageOf(test: OpCase, { inputs, attrs, code }: ErrorCase, place: number): string {
  let message: string | undefined;
  withArguments(makeArguments(sampleElements(test.op, 1000 + place, inputs)), (given) => {
    try {
      for (const result of tensorsOf(test, functionOf(test.op)(...argumentList(test, given, attrs)))) result.dispose();
    } catch (error) {
      if (!(error instanceof OpwrightError)) throw error;
      message = `OpwrightError ${error.code}: ${error.message}`;
    }
  });
  if (message === undefined) throw new Error(`${test.op} accepts a call that its entry says is refused with ${code}`);
  return message;
}
