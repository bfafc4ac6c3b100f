/**
 * What names mean at one place of an expression, and what conditions around that place tell about their types. Scopes are
 * immutable: entering an arrow or a branch makes a new one.
 */
import type { Binding, Term } from './terms.js';
import { NEVER, type Type, UNKNOWN, without } from './types.js';

/** Types that hold where a condition is known to be true, or false. */
export type Facts = ReadonlyMap<Binding, Type>;

export class Scope {
  readonly #names: ReadonlyMap<string, Binding>;
  readonly #facts: Facts;

  constructor(names: ReadonlyMap<string, Binding> = new Map(), facts: Facts = new Map()) {
    this.#names = names;
    this.#facts = facts;
  }

  lookup(name: string): Binding | undefined {
    return this.#names.get(name);
  }

  get names(): Iterable<string> {
    return this.#names.keys();
  }

  typeOf(binding: Binding): Type {
    const known = this.#facts.get(binding) ?? binding.type;
    // Where a condition cannot come out so, nothing is wrong with what would be done then.
    return known === NEVER ? UNKNOWN : known;
  }

  with(bindings: readonly Binding[]): Scope {
    return new Scope(new Map([...this.#names, ...bindings.map((binding) => [binding.name, binding] as const)]), this.#facts);
  }

  narrow(facts: Facts): Scope {
    return facts.size === 0 ? this : new Scope(this.#names, new Map([...this.#facts, ...facts]));
  }
}

const none: Facts = new Map();

/** Whether facts say that a condition cannot come out so. */
export function areImpossible(facts: Facts): boolean {
  return [...facts.values()].includes(NEVER);
}

/** What follows for names from a condition that came out true, or false. */
export function factsOf(condition: Term, truth: boolean): Facts {
  switch (condition.kind) {
    case 'present':
      return new Map([[condition.binding, keep(condition.binding.type, truth, (option) => option.kind !== 'null')]]);
    case 'unary':
      return condition.operator === '!' ? factsOf(condition.operand, !truth) : none;
    case 'host':
      return typeTest(condition.name, condition.arguments[0], truth);
    case 'binary':
      if (condition.operator === (truth ? '&&' : '||')) {
        return new Map([...factsOf(condition.left, truth), ...factsOf(condition.right, truth)]);
      }
      if (condition.operator === '==') return equality(condition.left, condition.right, truth);
      if (condition.operator === '!=') return equality(condition.left, condition.right, !truth);
      return none;
    default:
      return none;
  }
}

function typeTest(name: string, tested: Term | undefined, truth: boolean): Facts {
  const kind = name === 'isNumber' ? 'number' : name === 'isList' ? 'list' : undefined;
  if (kind === undefined || tested?.kind !== 'reference') return none;
  return new Map([[tested.binding, keep(tested.type, truth, (option) => option.kind === kind)]]);
}

function equality(left: Term, right: Term, truth: boolean): Facts {
  if (right.kind === 'reference' && left.kind === 'literal') return equality(right, left, truth);
  if (left.kind !== 'reference' || right.kind !== 'literal') return none;
  const { value } = right;
  const equal = (option: Type): boolean =>
    value === null ? option.kind === 'null' : option.kind === typeof value && 'literal' in option && option.literal === value;
  // A type without that very literal may hold the value all the same (2, of all numbers): nothing is known then.
  if (truth && !optionsHold(left.type, equal)) return none;
  return new Map([[left.binding, keep(left.type, truth, equal)]]);
}

function optionsHold(type: Type, holds: (option: Type) => boolean): boolean {
  return type.kind === 'union' ? type.options.some(holds) : holds(type);
}

function keep(type: Type, truth: boolean, holds: (option: Type) => boolean): Type {
  return without(type, (option) => holds(option) !== truth);
}
