/**
 * Op definitions (kernels/op.ts) made directly from a checked spec, by evaluating its expressions each time: what spec packs loaded
 * at run time and the generator's own checks run. The generated TypeScript says the same, faster.
 */
import {
  at,
  checkEqualShape,
  checkRank,
  checkShape,
  count,
  Dimensions,
  type PatternPart,
  RuleError,
} from '../../kernels/host.js';
import type { Kernel } from '../../kernels/ir.js';
import type {
  Algebra,
  Argument,
  Arguments,
  Attrs,
  Dtype,
  FunctionCall,
  GradientDefinition,
  InputDefinition,
  LayoutMeta,
  OpBody,
  OpDefinition,
  OperandAttrs,
  OpFunction,
  TensorMeta,
  Value,
  ViewLayout,
} from '../../kernels/op.js';
import { UnsupportedByReference } from '../../kernels/reference-array.js';
import type { Input, Op } from '../spec/model.js';
import { originOf } from '../spec/source.js';
import type { PatternItem } from './ast.js';
import type { CheckedModel, CheckedOp } from './check.js';
import { gradientsOf, isDifferentiable } from './differentiate.js';
import { dtypeRule } from './dtype-rule.js';
import {
  Environment,
  type Evaluated,
  evaluate,
  evaluateProgram,
  type Interpreter,
  isTensor,
  listOf,
  numberOf,
  type Tensor,
} from './evaluate.js';
import { compileIndexKernel, type IndexKernel, type SizeSource } from './index-kernel.js';
import type { Binding, Term, TermProgram } from './terms.js';
import { isDtype } from './types.js';

/** Kernels of kernels/functions, by name: they are compiled elsewhere. */
export type KernelFunctions = ReadonlyMap<string, Kernel>;
type KernelBody = Extract<OpBody, { readonly kind: 'kernel' }>;

/** All ops of a spec, in its order. Their gradients are derived, and their kernels asked for, when first needed. */
export function makeOpDefinitions(model: CheckedModel, kernels: KernelFunctions = new Map()): ReadonlyMap<string, OpDefinition> {
  const definitions = new Map<string, OpDefinition>();
  const maker = new DefinitionMaker(model, kernels, definitionIn(definitions));
  for (const checked of model.ops.values()) definitions.set(checked.op.name, maker.definition(checked));
  return definitions;
}

/** A gradient's program as the function that an op definition has for it. */
export function gradientFunction(
  model: CheckedModel,
  definitions: ReadonlyMap<string, OpDefinition>,
  checked: CheckedOp,
  program: TermProgram,
): OpFunction {
  return new DefinitionMaker(model, new Map(), definitionIn(definitions)).gradient(checked, program);
}

function definitionIn(definitions: ReadonlyMap<string, OpDefinition>): (op: Op) => OpDefinition {
  return (op) => {
    const definition = definitions.get(op.name);
    if (definition === undefined) throw new TypeError(`the op ${op.name} has no definition`);
    return definition;
  };
}

class DefinitionMaker {
  readonly #model: CheckedModel;
  readonly #kernels: KernelFunctions;
  readonly #definitionOf: (op: Op) => OpDefinition;

  constructor(model: CheckedModel, kernels: KernelFunctions, definitionOf: (op: Op) => OpDefinition) {
    this.#model = model;
    this.#kernels = kernels;
    this.#definitionOf = definitionOf;
  }

  definition(checked: CheckedOp): OpDefinition {
    const { op } = checked;
    const body = lazily(() => this.#body(checked));
    const gradients = lazily(() => this.#gradients(checked));
    return {
      name: op.name,
      source: originOf(op.span),
      inputs: op.inputs.map((input) => inputDefinition(checked, input)),
      attrs: op.attrs.map(({ name, type, default: value, required, followsDefault }) => ({
        name,
        type,
        required,
        ...(required ? {} : { default: value }),
        ...(checked.scalars.has(name) ? { scalar: true } : {}),
        ...(followsDefault ? { followsDefault } : {}),
      })),
      outputs: op.outputs.map(({ name, hidden, list, writes }) => ({
        name,
        ...(hidden ? { hidden } : {}),
        ...(list ? { list } : {}),
        ...(writes === undefined ? {} : { writes: writes.name }),
      })),
      dtypes: Object.fromEntries(op.dtypes.map(({ name, members }) => [name, members])),
      infer: (inputs, attrs) => this.#infer(checked, inputs, attrs),
      get body() {
        return body();
      },
      get gradients() {
        return gradients();
      },
      ...(op.random ? { random: true } : {}),
      ...(op.outputs.some((output) => output.dataSized) ? { synchronises: true } : {}),
    };
  }

  #gradients(checked: CheckedOp): readonly GradientDefinition[] {
    return gradientsOf(this.#model, checked).map(({ input, saved, program }) => ({
      input,
      saved,
      run: this.gradient(checked, program),
    }));
  }

  /** A gradient's program as a function of saved values and incoming gradients. */
  gradient(checked: CheckedOp, program: TermProgram): OpFunction {
    const { inputs, outputs, gradients } = checked.bindings;
    return this.#function(checked, program, [...inputs.values(), ...outputs.values(), ...gradients.values()]);
  }

  #body(checked: CheckedOp): OpBody {
    const { body } = checked.op;
    switch (body.kind) {
      case 'define':
        if (checked.define === undefined) throw new TypeError(`${checked.op.name} was not checked`);
        return { kind: 'define', run: this.#function(checked, checked.define, [...checked.bindings.inputs.values()]) };
      case 'map':
        return { kind: 'map', map: body.map };
      case 'reduce':
        return { kind: 'reduce', reduce: body.reduce };
      case 'create':
        return { kind: 'create', create: body.create };
      case 'library':
        return { kind: 'library', library: body.library };
      case 'view':
        return { kind: 'view', view: (inputs, attrs) => this.#view(checked, inputs, attrs) };
      case 'index':
        return indexBody(compileIndexKernel(checked.op), checked.op);
      case 'function': {
        const kernel = this.#kernels.get(body.function);
        if (kernel === undefined) throw new UnsupportedByReference(`the kernel function ${body.function} was not compiled`);
        const zeroed = body.zeroed ? { zeroed: true } : {};
        return { kind: 'kernel', kernel, call: (inputs, _outputs, attrs) => this.#call(checked, inputs, attrs), ...zeroed };
      }
    }
  }

  #function(checked: CheckedOp, program: TermProgram, tensors: readonly Binding[]): OpFunction {
    return <V extends Value>(algebra: Algebra<V>, inputs: Arguments<V>, attrs: OperandAttrs<V>): readonly V[] => {
      const values = [
        ...tensors.map((binding): [Binding, Evaluated<V>] => [binding, inputs[binding.name]]),
        ...attrBindings<V>(checked, attrs),
      ];
      const interpreter = { rules: this.#model.rules, algebra, definitionOf: this.#definitionOf };
      return evaluateProgram<V>(program, values, interpreter).flatMap((result) => tensorsOf(result));
    };
  }

  // Shapes

  #interpreter<V extends Tensor>(): Interpreter<V> {
    return { rules: this.#model.rules, definitionOf: this.#definitionOf };
  }

  #environment<V extends Tensor>(checked: CheckedOp, inputs: Arguments<V>, attrs: Attrs): Environment<V> {
    const given = [...checked.bindings.inputs.values()].map((binding): [Binding, Evaluated<V>] => [
      binding,
      inputs[binding.name],
    ]);
    return new Environment<V>([...given, ...attrBindings<V>(checked, attrs)], checked.lets);
  }

  #infer(checked: CheckedOp, inputs: Arguments<TensorMeta>, attrs: Attrs): readonly TensorMeta[] {
    const environment = this.#environment(checked, inputs, attrs);
    const interpreter = this.#interpreter<TensorMeta>();
    const value = (term: Term): Evaluated<TensorMeta> => evaluate(term, environment, interpreter);
    const dimensions = new Dimensions();
    for (const input of checked.op.inputs) matchInput(checked, input, inputs[input.name], dimensions, value);
    checked.op.constraints.forEach(({ code, message }, index) => {
      if (value(checked.constraints[index]!) !== true) throw new RuleError(code, message);
    });
    return checked.op.outputs.flatMap(({ name, list }, index) => {
      const { shape, dtype } = checked.outputs[index]!;
      const shapes = list ? listOf(value(shape)) : [value(shape)];
      const element = dtypeOf(value(dtype));
      return shapes.map((one): TensorMeta => ({ shape: checkShape(sizesOf(one), name), dtype: element }));
    });
  }

  #view(checked: CheckedOp, inputs: Arguments<LayoutMeta>, attrs: Attrs): ViewLayout | null {
    const { view } = checked;
    if (view === undefined) throw new TypeError(`${checked.op.name} was not checked`);
    const environment = this.#environment(checked, inputs, attrs);
    const value = (term: Term): Evaluated<LayoutMeta> => evaluate(term, environment, this.#interpreter<LayoutMeta>());
    const strides = value(view.strides);
    if (strides === null) return null;
    return { shape: sizesOf(value(view.shape)), strides: sizesOf(strides), offset: numberOf(value(view.offset)) };
  }

  /** How a kernel of kernels/functions is called. */
  #call(checked: CheckedOp, inputs: Arguments<TensorMeta>, attrs: Attrs): FunctionCall {
    const { kernel } = checked;
    if (kernel === undefined) throw new TypeError(`${checked.op.name} is no kernel function`);
    const environment = this.#environment(checked, inputs, attrs);
    const value = (term: Term): Evaluated<TensorMeta> => evaluate(term, environment, this.#interpreter<TensorMeta>());
    const params = [...kernel.params].map(([name, term]) => [name, Number(value(term))] as const);
    const scratch = [...kernel.scratch].map(([name, { dtype, size }]) => {
      return [name, { dtype: dtypeOf(value(dtype)), size: numberOf(value(size)) }] as const;
    });
    return { work: numberOf(value(kernel.work)), params: Object.fromEntries(params), scratch: Object.fromEntries(scratch) };
  }
}

function lazily<T>(compute: () => T): () => T {
  let value: { readonly done: T } | undefined;
  return () => {
    value ??= { done: compute() };
    return value.done;
  };
}

/** Work and sizes of a kernel in index notation are read off the shapes. */
function indexBody({ kernel, work, grain = 1, sizes }: IndexKernel, op: Op): KernelBody {
  const sizeIn = (inputs: Arguments<TensorMeta>, outputs: readonly TensorMeta[], source: SizeSource): number => {
    const output = outputs[op.outputs.findIndex(({ name }) => name === source.tensor)];
    const meta = output ?? inputs[source.tensor];
    if (meta === undefined || !('shape' in meta)) throw new TypeError(`${op.name} has no tensor ${source.tensor}`);
    if (source.group) return count(meta.shape.slice(source.before, meta.shape.length - source.after));
    return at(meta.shape, source.before < 0 ? source.before + meta.shape.length : source.before);
  };
  return {
    kind: 'kernel',
    kernel,
    call: (inputs, outputs) => {
      const params = Object.fromEntries([...sizes].map(([name, source]) => [name, sizeIn(inputs, outputs, source)]));
      return { work: count(work.map((name) => params[`size_${name}`] ?? 1)), grain, params };
    },
  };
}

function inputDefinition(checked: CheckedOp, input: Input): InputDefinition {
  const { name, optional, list, number, mutated } = input;
  return {
    name,
    ...dtypeRule(input.dtype),
    ...(optional ? { optional } : {}),
    ...(list ? { list } : {}),
    ...(number ? { number } : {}),
    differentiable: isDifferentiable(checked, input),
    ...(mutated ? { mutated } : {}),
  };
}

function attrBindings<V extends Tensor>(
  checked: CheckedOp,
  attrs: OperandAttrs<V>,
): readonly (readonly [Binding, Evaluated<V>])[] {
  const { bindings } = checked;
  const pair = (binding: Binding): readonly [Binding, Evaluated<V>] => [binding, attrs[binding.name]];
  return [...bindings.attrs.values(), ...bindings.scalars.values()].map(pair);
}

function matchInput(
  checked: CheckedOp,
  input: Input,
  given: Argument<TensorMeta>,
  dimensions: Dimensions,
  value: (term: Term) => Evaluated<TensorMeta>,
): void {
  if (given === undefined) return;
  const metas: readonly TensorMeta[] = 'shape' in given ? [given] : given;
  for (const { shape } of metas) {
    if (input.rank !== undefined) checkRank(shape, input.rank.least, input.rank.most, input.name);
    if (input.shape === undefined) continue;
    const computed = (checked.patterns.get(input.name) ?? []).values();
    const next = (): Evaluated<TensorMeta> => value(computed.next().value ?? unmatched(input));
    if (input.shape.kind === 'exact') checkEqualShape(shape, sizesOf(next()), input.name);
    else
      dimensions.match(
        input.name,
        shape,
        input.shape.items.map((item) => patternPart(item, next)),
      );
  }
}

function unmatched(input: Input): never {
  throw new TypeError(`the pattern of ${input.name} was not checked`);
}

function patternPart(item: PatternItem, next: () => Evaluated<TensorMeta>): PatternPart {
  switch (item.kind) {
    case 'dimension':
      return item.name;
    case 'group':
      return `...${item.name}`;
    case 'size':
      return numberOf(next());
    case 'sizes':
      return sizesOf(next());
  }
}

function sizesOf<V>(value: Evaluated<V>): number[] {
  return listOf(value).map(numberOf);
}

function dtypeOf<V>(value: Evaluated<V>): Dtype {
  if (typeof value === 'string' && isDtype(value)) return value;
  throw new TypeError(`a dtype is needed, not ${String(value)}`);
}

/** A result as tensors: the entries of a list output; a plain number where a definition gives one. */
function tensorsOf<V extends Tensor>(result: Evaluated<V>): readonly V[] {
  if (isTensor(result)) return [result];
  return listOf(result).flatMap((item) => tensorsOf(item));
}
