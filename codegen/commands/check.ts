/**
 * `opwright check`: everything that is wrong with a spec, in one run.
 */
import { type Diagnostic, renderDiagnostic } from '../spec/diagnostic.js';
import { type Command, commonOptions, exitCodes, expectAtMost, type JsonValue, parseArguments } from './command.js';
import { countOf, problemCount } from './format.js';
import { loadSpecs, specOptions } from './spec-files.js';

const options = { ...specOptions, ...commonOptions };

export const command: Command = {
  help: {
    name: 'check',
    arguments: '',
    description:
      "Reads the library's ops.yaml, and op packs beside it, and reports every problem with its place: YAML, form, names, shapes,\n" +
      'dtypes, definitions, gradients that cannot be derived. Exits with 1 if there is one.',
    examples: ['opwright check', 'opwright check --spec my-ops.yaml', 'opwright check --json'],
    options,
  },
  run(args) {
    const { values, positionals } = parseArguments(options, args);
    expectAtMost(0, positionals);
    const { checked, diagnostics } = loadSpecs(values);
    const { ops, rules, classes } = checked.model;
    const counts = { ops: ops.size, classes: classes.size, rules: rules.size, broken: checked.model.broken.size };
    const summary = [countOf(counts.ops, 'op'), countOf(counts.classes, 'class'), countOf(counts.rules, 'rule')].join(', ');
    const found = diagnostics.length === 0 ? 'no problems' : problemCount(diagnostics);
    return {
      exitCode: diagnostics.length === 0 ? exitCodes.ok : exitCodes.problems,
      text: [...diagnostics.map((diagnostic) => `${renderDiagnostic(diagnostic)}\n`), `${summary}: ${found}`].join('\n'),
      json: { ...counts, diagnostics: diagnostics.map(diagnosticJson) },
    };
  },
};

export function diagnosticJson({ code, message, file, line, column, length, hint }: Diagnostic): JsonValue {
  return { code, message, file, line, column, length, hint };
}
