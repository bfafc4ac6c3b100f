/**
 * The code that runs for an op's first sample, in each language that a device compiles: CUDA C++, C and WebAssembly. What a device makes
 * of library kernels (products, convolutions, sorting) is its own affair and not printed.
 */
import { type Given, type LoweredKernel, type TracedStep, traceOp } from '../../codegen/commands/trace.js';
import { type InputData, type SampleData, sampleData } from '../../codegen/spec/sample-data.js';
import { cudaC, gnuC } from '../../kernels/c/dialect.js';
import { printModule } from '../../kernels/c/printer.js';
import { RuleError } from '../../kernels/host.js';
import type { Kernel } from '../../kernels/ir.js';
import type { Dtype, TensorMeta } from '../../kernels/op.js';
import { vectorise } from '../../kernels/vectorise.js';
import type { DocumentedOp, Library } from './library.js';

export interface KernelTexts {
  readonly dtype: Dtype;
  readonly cuda: string;
  readonly c: string;
  /** Modules, base64: the site shows them as text. */
  readonly wasm: readonly string[];
}

export interface OpKernels {
  /** The call that they were made for: `x float32 [3, 5]`. */
  readonly sample: string;
  readonly steps: readonly string[];
  readonly texts: readonly KernelTexts[];
}

/** The dtypes that are printed, where the op has them: one of each kind of code. */
const shownDtypes: readonly string[] = ['float32', 'float64', 'bfloat16', 'int32', 'complex64'];

/** The vectors of AVX2, which most machines have. */
const vectorBytes = 32;

export function opKernels({ model }: Library, { op, definition }: DocumentedOp): OpKernels | undefined {
  const [sample] = op.samples;
  if (sample === undefined) return undefined;
  const data = sampleData(model.model, op, sample);
  const own = traceOp(definition, givenOf(data), data.attrs);
  const variable = op.dtypes[0];
  const usual = dtypesIn(data)[0];
  const dtypes =
    variable === undefined || usual === undefined
      ? [usual ?? 'float32']
      : shownDtypes.flatMap((dtype) => variable.members.find((member) => member === dtype) ?? []);
  const texts = (dtypes.length === 0 ? [usual ?? 'float32'] : dtypes).flatMap(
    (dtype) => textsOf({ op, definition }, data, usual, dtype) ?? [],
  );
  return { sample: sampleText(data), steps: own.steps.map(stepText), texts };
}

type Subject = Pick<DocumentedOp, 'op' | 'definition'>;

function textsOf({ definition }: Subject, data: SampleData, usual: Dtype | undefined, dtype: Dtype): KernelTexts | undefined {
  const given = mapMetas(data, (meta) => (meta.dtype === usual ? { ...meta, dtype } : meta));
  try {
    const { steps } = traceOp(definition, given, data.attrs);
    const kernels = steps.flatMap(kernelsOf);
    if (kernels.length === 0) return undefined;
    return {
      dtype,
      cuda: printModule(
        kernels.map(({ kernel }, index) => numbered(kernel, index)),
        cudaC,
      ),
      c: printModule(
        kernels.map(({ kernel }, index) => numbered(vectorise(kernel, { vectorBytes }), index)),
        gnuC,
      ),
      wasm: kernels.map(({ wasm }) => Buffer.from(wasm).toString('base64')),
    };
  } catch (error) {
    // An op may take a dtype for some of its arguments only.
    if (error instanceof RuleError) return undefined;
    throw error;
  }
}

function numbered(kernel: Kernel, index: number): Kernel {
  return { ...kernel, name: `kernel_${index + 1}` };
}

function kernelsOf(step: TracedStep): readonly LoweredKernel[] {
  return step.kind === 'fused' ? step.launches : step.kind === 'kernel' ? [step] : [];
}

function stepText(step: TracedStep): string {
  switch (step.kind) {
    case 'fused': {
      const { shape, axes } = step.step;
      const launches = step.launches.length === 1 ? '' : ` in ${step.launches.length} launches`;
      return `a fused kernel over [${shape.join(', ')}]${axes.length === 0 ? '' : `, reducing axis ${axes.join(', ')}`}${launches}`;
    }
    case 'view':
      return `\`${step.step.op.name}\`, a view: nothing is computed${step.copied ? ', after a copy' : ''}`;
    case 'kernel':
      return `\`${step.step.op.name}\`, a kernel of its own`;
    case 'library':
      return `\`${step.step.op.name}\`, a library kernel (${step.library}) that the device blocks and packs`;
  }
}

function givenOf(data: SampleData): Given {
  return mapMetas(data, (meta) => meta);
}

function mapMetas({ inputs }: SampleData, change: (meta: TensorMeta) => TensorMeta): Given {
  const one = (value: InputData): TensorMeta | number => {
    if (typeof value === 'number') return value;
    if ('shape' in value) return change({ shape: value.shape, dtype: value.dtype });
    throw new TypeError('a sample has a list of lists');
  };
  return Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, isList(value) ? value.map(one) : one(value)]));
}

function isList(value: InputData): value is readonly InputData[] {
  return Array.isArray(value);
}

function dtypesIn({ inputs }: SampleData): readonly Dtype[] {
  return Object.values(inputs)
    .flatMap((value) => (isList(value) ? value : [value]))
    .flatMap((value) => (typeof value !== 'number' && 'dtype' in value ? [value.dtype] : []));
}

/** A call in words: tensors by their shapes, attributes by their values. */
export function sampleText({ inputs, attrs }: SampleData): string {
  const tensorText = (value: InputData): string => {
    if (typeof value === 'number') return String(value);
    if ('shape' in value) return `${value.dtype} [${value.shape.join(', ')}]`;
    return value.map(tensorText).join(', ');
  };
  const parts = [
    ...Object.entries(inputs).map(([name, value]) => `${name}: ${tensorText(value)}`),
    ...Object.entries(attrs).map(([name, value]) => `${name}: ${JSON.stringify(value) ?? 'undefined'}`),
  ];
  return parts.join('; ');
}
