/**
 * `opwright check`: everything that is wrong with a spec, in one run.
 */
import { checkGradients, type GradientReport } from '../lang/check-gradients.js';
import { derivationDiagnostics } from '../lang/differentiate.js';
import { type Diagnostic, renderDiagnostic } from '../spec/diagnostic.js';
import { type Command, commonOptions, exitCodes, expectAtMost, type JsonValue, type Outcome, parseArguments } from './command.js';
import { countOf, indented, problemCount } from './format.js';
import { loadWithKernels } from './kernel-functions.js';
import { type CheckedSpec, inOrder, specOptions } from './spec-files.js';

const options = {
  quick: { type: 'boolean', summary: 'Do not compare gradients with each other and with differences.' },
  ...specOptions,
  ...commonOptions,
} as const;

export const command: Command = {
  help: {
    name: 'check',
    arguments: '',
    description:
      "Reads the library's ops.yaml, and op packs beside it, and reports every problem with its place: YAML, form, names, shapes,\n" +
      'dtypes, definitions, gradients that cannot be derived. Where all that is sound, gradients are computed in float64 on the samples:\n' +
      'stated ones must agree with derived ones, and all with central differences.',
    examples: ['opwright check', 'opwright check --spec my-ops.yaml', 'opwright check --json'],
    options,
  },
  async run(args) {
    const { values, positionals } = parseArguments(options, args);
    expectAtMost(0, positionals);
    const spec = await loadWithKernels(values);
    // Gradients are derived from terms, which only sound expressions give, and computed where they could be derived.
    const derivation = spec.diagnostics.length === 0 ? derivationDiagnostics(spec.checked) : [];
    const sound = spec.diagnostics.length + derivation.length === 0;
    const gradients = sound && !values.quick ? checkGradients(spec.checked, spec.kernels) : undefined;
    const diagnostics = [...spec.diagnostics, ...derivation, ...(gradients?.diagnostics ?? [])];
    return report(spec, inOrder(spec.sources, diagnostics), gradients);
  },
};

function report({ checked }: CheckedSpec, diagnostics: readonly Diagnostic[], gradients: GradientReport | undefined): Outcome {
  const { ops, rules, classes, broken } = checked.model;
  const counted = [countOf(ops.size, 'op'), countOf(classes.size, 'class'), countOf(rules.size, 'rule')].join(', ');
  const summary = `${counted}: ${diagnostics.length === 0 ? 'no problems' : problemCount(diagnostics)}`;
  const compared = gradients === undefined ? [] : gradientLines(gradients);
  return {
    exitCode: diagnostics.length === 0 ? exitCodes.ok : exitCodes.problems,
    text: [...diagnostics.map((diagnostic) => `${renderDiagnostic(diagnostic)}\n`), summary, ...compared].join('\n'),
    json: {
      ops: ops.size,
      classes: classes.size,
      rules: rules.size,
      broken: [...broken],
      diagnostics: diagnostics.map(diagnosticJson),
      gradients: gradients && { compared: gradients.compared, skipped: Object.fromEntries(gradients.skipped) },
    },
  };
}

function gradientLines({ compared, skipped }: GradientReport): readonly string[] {
  const lines = [`gradients: ${countOf(compared, 'comparison')}, ${countOf(skipped.size, 'op')} not compared`];
  return [...lines, ...[...skipped].map(([op, reason]) => indented(`${op}: ${reason}`))];
}

export function diagnosticJson({ code, message, file, line, column, length, hint }: Diagnostic): JsonValue {
  return { code, message, file, line, column, length, hint };
}
