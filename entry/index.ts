/** The package's main entry: tensors, every op as a function and as a Tensor method, gradients, memory. */
import '../generated/methods.js';
// For its types: the declaration files keep no imports but those that are written so.
import '../runtime/methods.js';

export * from '../generated/index.js';
export { backward, type GradOptions, grad, noGrad, type RootOptions } from '../runtime/autograd.js';
export { type TensorData, type TensorOptions, tensor, tensor as toTensor } from '../runtime/create.js';
export * as cuda from '../runtime/cuda.js';
export {
  getCudaRngState,
  getCudnnVersion,
  getDevice,
  isCompiledWithCuda,
  isCompiledWithXpu,
  setCudaRngState,
  setDevice,
} from '../runtime/current-device.js';
export {
  type AxisOptions,
  type BincountOptions,
  bincount,
  repeatByCounts,
  type UniqueConsecutive,
  uniqueConsecutive,
} from '../runtime/data-sized.js';
export type { Device } from '../runtime/devices/device.js';
export type { TensorLike } from '../runtime/dispatch.js';
export type { Complex, Dtype } from '../runtime/dtype.js';
export { dtypes, getDefaultDtype, setDefaultDtype } from '../runtime/dtype.js';
export type { ErrorCode } from '../runtime/errors.js';
export { errorCodes, OpwrightError } from '../runtime/errors.js';
export { increment } from '../runtime/in-place.js';
export { at } from '../runtime/indexing/at.js';
export type { IndexArray, IndexPart } from '../runtime/indexing/components.js';
export { setAt } from '../runtime/indexing/set-at.js';
export { dispose, keep, memory, tidy } from '../runtime/memory.js';
export { inDynamicMode } from '../runtime/mode.js';
export { type MultinomialOptions, multinomial } from '../runtime/multinomial.js';
export { CPUPlace, CUDAPinnedPlace, CUDAPlace, type DeviceLike, type Place, XPUPlace } from '../runtime/places.js';
export { getPrintOptions, setPrintOptions } from '../runtime/print.js';
export { getRandomState, seed, setRandomState } from '../runtime/random.js';
export type { Nested, NestedNumbers } from '../runtime/tensor.js';
export { isComplex, isTensor, Tensor } from '../runtime/tensor.js';
