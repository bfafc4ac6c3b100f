/**
 * Library kernels: ops that are not one kernel but a small programme of launches (packing, blocking, several outputs whose sizes
 * depend on data). Each is bound once to layouts and attributes, and then run.
 */
import type { Arguments, Attrs, LayoutMeta, TensorMeta } from '../../kernels/op.js';
import type { Device } from '../devices/device.js';
import { OpwrightError } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { concat, pad } from './assemble.js';
import { convolution, convolutionInputGrad } from './convolution.js';
import { convolutionWeightGrad } from './filter-gradient.js';
import { gemm } from './gemm.js';
import { maskedSelect, nonzero, unique } from './selection.js';
import { sortRows, topkRows } from './sort.js';

export interface LibraryRun {
  /** `inputs` are the op's tensors in the order of its definition, lists spread out, with the layouts that were bound but for offsets. */
  run(inputs: readonly Tensor[]): Tensor[];
  free(): void;
}

/** `outputs` are what the op's `infer` gave. */
export type LibraryKernel = (
  device: Device,
  inputs: Arguments<LayoutMeta>,
  attrs: Attrs,
  outputs: readonly TensorMeta[],
) => LibraryRun;

const libraryKernels: Readonly<Record<string, LibraryKernel>> = {
  concat,
  convolution,
  convolutionInputGrad,
  convolutionWeightGrad,
  gemm,
  maskedSelect,
  nonzero,
  pad,
  sortRows,
  topkRows,
  unique,
};

export function libraryKernel(name: string): LibraryKernel {
  const kernel = libraryKernels[name];
  if (kernel === undefined) throw new OpwrightError('UNKNOWN_OP', `There is no library kernel named ${name}.`);
  return kernel;
}
