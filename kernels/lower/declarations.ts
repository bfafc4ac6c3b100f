/**
 * The buffers and parameters that a fused kernel declares in each of its forms, and the scratch that its binding has to provide. What the
 * kernel does with them is fused.ts's.
 */
import { type FusedKernel, schedule } from '../fused.js';
import { type BufferDeclaration, type ParamDeclaration, registerOf, type Storage } from '../ir.js';
import { paramRegister } from '../specialise.js';
import {
  carryName,
  innerStride,
  inputName,
  keptSize,
  keptStride,
  outputName,
  reducedSize,
  reducedStride,
  scalarName,
  scratchName,
  stripName,
  tileParams,
} from './names.js';
import { scratchStorage } from './values.js';

/** How an operand moves along the innermost dimension: not at all, by one element, backwards, or by a stride that is a parameter. */
export type InnerStride = '0' | '1' | '-1' | 's';

export interface Variant {
  readonly form: 'flat' | 'map' | 'tile' | 'row' | 'column';
  readonly kept: number;
  readonly reduced: number;
  /** For each operand. */
  readonly inner: readonly InnerStride[];
  /** row form: each row is folded in parts, an item each. */
  readonly split?: boolean;
  /** row form: items that follow each other lie side by side, not the elements that each folds. */
  readonly columns?: boolean;
  /** tile form: the kernel only copies, and turns squares of elements in vector registers. */
  readonly transposes?: Transposition;
  /** tile form: the kernel only copies, and groups of threads turn tiles in what they share. */
  readonly grouped?: boolean;
}

export interface Transposition {
  /** Rows and columns of a square. */
  readonly lanes: number;
  /** From there squares go to strips of scratch first, or rows to memory past the caches. */
  readonly through?: 'strips' | 'streams';
}

/** Row values that the column form keeps in scratch: reductions, and row nodes that a later pass reads. */
export function scratchNodes(kernel: FusedKernel): number[] {
  const { levels } = schedule(kernel);
  return kernel.nodes.flatMap((node, index) => (levels[index] === 'row' && node.op !== 'input' ? [index] : []));
}

/** Sums of floats, of which the column form sets parts aside. */
export function carriedNodes(kernel: FusedKernel): number[] {
  const isCarried = (node: FusedKernel['nodes'][number]) =>
    node.op === 'reduce' && node.reduce === 'sum' && floats.has(registerOf(node.dtype));
  return kernel.nodes.flatMap((node, index) => (isCarried(node) ? [index] : []));
}

const floats: ReadonlySet<string> = new Set(['f32', 'f64', 'c64', 'c128']);

/** The scratch of the column form: an element for each row value. */
export function scratchBuffers(kernel: FusedKernel): readonly { readonly name: string; readonly storage: Storage }[] {
  const named = (nodes: readonly number[], nameOf: (node: number) => string) =>
    nodes.map((node) => ({ name: nameOf(node), storage: scratchStorage(kernel.nodes[node]!.dtype) }));
  return [...named(scratchNodes(kernel), scratchName), ...named(carriedNodes(kernel), carryName)];
}

/** `stashed` are the outputs that are read back. */
export function declareBuffers(kernel: FusedKernel, variant: Variant, stashed: ReadonlySet<number>): BufferDeclaration[] {
  const inputs = kernel.inputs.flatMap((input, index): BufferDeclaration[] =>
    input.virtual ? [] : [{ name: inputName(index), storage: input.dtype, access: 'read' }],
  );
  const outputs = kernel.outputs.map(
    (output, index): BufferDeclaration => ({
      name: outputName(index),
      storage: output.dtype,
      access: stashed.has(index) ? 'readwrite' : 'write',
    }),
  );
  if (variant.transposes?.through === 'strips')
    return [...inputs, ...outputs, { name: stripName, storage: kernel.inputs[0]!.dtype, access: 'readwrite' }];
  if (variant.form !== 'column') return [...inputs, ...outputs];
  const scratch = scratchBuffers(kernel).map(({ name, storage }): BufferDeclaration => ({ name, storage, access: 'readwrite' }));
  return [...inputs, ...outputs, ...scratch];
}

export function declareParams(kernel: FusedKernel, variant: Variant): ParamDeclaration[] {
  const { form, kept, reduced, inner, split } = variant;
  const integers: string[] = [];
  if (form !== 'flat') integers.push('n');
  if (form === 'column' || form === 'tile') integers.push('tile', 'tiles');
  if (form === 'tile') integers.push(...Object.values(tileParams('row')));
  if (split) integers.push('parts', 'chunk');
  const outerKept = form === 'row' ? kept : form === 'flat' ? 0 : kept - 1;
  const outerReduced = form === 'row' ? reduced - 1 : form === 'column' ? reduced : 0;
  for (let dimension = 1; dimension < outerKept; dimension++) integers.push(keptSize(dimension));
  for (let dimension = 0; dimension < outerReduced; dimension++) integers.push(reducedSize(dimension));
  for (const operand of [...kernel.inputs, ...kernel.outputs].keys()) {
    for (let dimension = 0; dimension < outerKept; dimension++) integers.push(keptStride(operand, dimension));
    for (let dimension = 0; dimension < outerReduced; dimension++) integers.push(reducedStride(operand, dimension));
    if (inner[operand] === 's') integers.push(innerStride(operand));
  }
  const scalars = kernel.scalars.map((dtype, index): ParamDeclaration => {
    return { name: scalarName(index), type: paramRegister(registerOf(dtype)) };
  });
  return [...integers.map((name): ParamDeclaration => ({ name, type: 'i32' })), ...scalars];
}
