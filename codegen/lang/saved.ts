/**
 * What a gradient needs of the forward pass: values, or only their shapes and dtypes. Everything that is neither an input nor an output
 * is computed again, inside the gradient's own fused kernels.
 */
import type { SavedValue } from '../../kernels/op.js';
import type { CheckedOp } from './check.js';
import type { Binding, Term, TermProgram } from './terms.js';

type Keep = SavedValue['keep'];

/** The inputs and outputs that a gradient refers to, and how. */
export function savedValues(checked: CheckedOp, program: TermProgram): readonly SavedValue[] {
  const uses = new Uses();
  for (const result of program.results) uses.visit(result, 'value');
  for (const line of program.lines.toReversed()) {
    const keep = uses.of(line.binding);
    if (keep !== undefined) uses.visit(line.value, keep);
  }
  const bindings = [...checked.bindings.inputs.values(), ...checked.bindings.outputs.values()];
  return bindings.flatMap((binding) => {
    const keep = uses.of(binding);
    return keep === undefined ? [] : [{ name: binding.name, keep }];
  });
}

const shapeOnly = new WeakMap<CheckedOp, boolean>();

/** Whether an op is defined by its inputs' shapes and dtypes alone, as zerosLike is. */
export function needsOnlyShapes(checked: CheckedOp): boolean {
  const known = shapeOnly.get(checked);
  if (known !== undefined) return known;
  const { define, op } = checked;
  const kept = define === undefined || op.inputs.length === 0 ? undefined : savedValues(checked, define);
  const answer = kept !== undefined && !op.random && kept.every(({ keep }) => keep === 'shape');
  shapeOnly.set(checked, answer);
  return answer;
}

/** Host functions that hand on entries of their first list. */
const passing: ReadonlySet<string> = new Set(['take', 'pick', 'reverse', 'drop', 'filter']);

class Uses {
  readonly #keep = new Map<Binding, Keep>();

  of(binding: Binding): Keep | undefined {
    return this.#keep.get(binding);
  }

  #note(binding: Binding, keep: Keep): void {
    if (this.#keep.get(binding) !== 'value') this.#keep.set(binding, keep);
  }

  /** Notes what a term needs, if of its own value that much is needed. */
  visit(term: Term, keep: Keep): void {
    switch (term.kind) {
      case 'literal':
        return;
      case 'reference':
        this.#note(term.binding, keep);
        return;
      case 'present':
        this.#note(term.binding, 'shape');
        return;
      case 'property':
        this.visit(term.object, 'shape');
        return;
      case 'list':
        for (const { value } of term.items) this.visit(value, keep);
        return;
      case 'element':
        this.visit(term.object, keep);
        this.visit(term.index, 'value');
        return;
      case 'unary':
        this.visit(term.operand, 'value');
        return;
      case 'binary':
        this.visit(term.left, 'value');
        this.visit(term.right, 'value');
        return;
      case 'conditional':
        this.visit(term.condition, 'value');
        this.visit(term.then, keep);
        this.visit(term.otherwise, keep);
        return;
      case 'arrow':
        this.visit(term.body, keep);
        return;
      case 'host':
        this.#visitHost(term.name, term.arguments, keep);
        return;
      case 'rule':
        for (const argument of term.arguments) this.visit(argument, 'value');
        return;
      case 'apply':
        for (const value of [...term.inputs.values(), ...term.attrs.values()]) this.visit(value, 'value');
        return;
      case 'output':
        this.visit(term.of, 'value');
        return;
    }
  }

  /** Of a list's entries, that is needed which the function called with them needs. */
  #visitHost(name: string, terms: readonly Term[], keep: Keep): void {
    const [list, ...rest] = terms;
    if (list === undefined) return;
    for (const term of rest) this.visit(term, term.kind === 'arrow' ? keep : 'value');
    const arrow = rest.find((term) => term.kind === 'arrow');
    const [entry] = arrow?.kind === 'arrow' ? arrow.parameters : [];
    const own = entry === undefined ? undefined : (this.of(entry) ?? 'shape');
    const handedOn = passing.has(name) ? keep : undefined;
    this.visit(list, own === 'value' || (handedOn ?? own ?? 'value') === 'value' ? 'value' : 'shape');
  }
}
