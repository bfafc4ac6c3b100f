/** Tensors on other devices: copies of their elements, through which gradients flow back. */
import { aliasOf, recordMove } from './autograd.js';
import { ContiguousCopy } from './copies.js';
import type { Device } from './devices/device.js';
import { byteSize, type Dtype, isDtype } from './dtype.js';
import { type DeviceLike, deviceOf } from './places.js';
import { ops } from './registry.js';
import { emptyTensor, type Tensor } from './tensor.js';

export interface ToOptions<D extends Dtype = Dtype> {
  /** The dtype to cast to as well. */
  readonly dtype?: D;
}

/**
 * The tensor on another device, or in another dtype. Where nothing has to be done it is another handle of the same memory. Gradients flow
 * back to the device that they came from.
 *
 * Throws DEVICE_UNAVAILABLE where there is no such device.
 */
export function to(x: Tensor, target: DeviceLike | Dtype, options: ToOptions = {}): Tensor {
  x.checkUsable('to');
  if (typeof target === 'string' && isDtype(target)) return cast(aliasOf(x), target);
  // Before the copy, where that makes it smaller.
  const { dtype = x.dtype } = options;
  const device = deviceOf(target);
  if (byteSize(dtype) > byteSize(x.dtype)) return cast(moveTo(x, device), dtype);
  return passOn(cast(aliasOf(x), dtype), (narrow) => moveTo(narrow, device));
}

/** Lets go of `x` for what it becomes. */
function passOn(x: Tensor, become: (x: Tensor) => Tensor): Tensor {
  try {
    return become(x);
  } finally {
    x.dispose();
  }
}

function cast(x: Tensor, dtype: Dtype): Tensor {
  return x.dtype === dtype ? x : passOn(x, () => ops.cast(x, dtype));
}

function moveTo(x: Tensor, device: Device): Tensor {
  if (x.device === device) return aliasOf(x);
  const result = copyTo(x, device);
  const source = x.device;
  recordMove(x, result, (gradient) => moveTo(gradient, source));
  return result;
}

/** Through the memory of the host. */
function copyTo(x: Tensor, device: Device): Tensor {
  const result = emptyTensor(device, x.shape, x.dtype);
  const size = byteSize(x.dtype);
  const bytes = new Uint8Array(x.size * size);
  if (x.layout.contiguous) x.device.readSync(x.storage.address + x.layout.offset * size, bytes);
  else {
    const copy = new ContiguousCopy(x.device, x.layout.form, x.dtype);
    const contiguous = copy.run(x);
    x.device.readSync(contiguous.storage.address, bytes);
    contiguous.dispose();
    copy.free();
  }
  device.write(result.storage.address, bytes);
  return result;
}
