/**
 * Matrix products by a library that comes with the device (cuBLAS), where the device prefers it and the operands lie so that such a library can
 * read them. Everything else goes to our own kernels.
 */
import type { TensorMeta } from '../../kernels/op.js';
import { addressOf } from '../copies.js';
import type { Device, LibraryProduct, ProductOperand } from '../devices/device.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import type { Operand, Product } from './gemm.js';
import type { LibraryRun } from './index.js';

/** Null where our kernels compute the product. */
export function vendorProduct(device: Device, output: TensorMeta, product: Product): LibraryRun | null {
  const { m, n, k, batch, dtype } = product;
  if (dtype !== 'float16' && dtype !== 'bfloat16' && dtype !== 'float32' && dtype !== 'float64') return null;
  const size = m * n * k * batch;
  const library = size === 0 ? undefined : device.productLibrary?.(dtype, size);
  if (library === undefined) return null;
  const [a, b] = [operandOf(product.a, m, k), operandOf(product.b, n, k)];
  if (a === null || b === null) return null;
  const { target } = device.tier({ kind: 'product', dtype, size });
  const asked: LibraryProduct = { dtype, m, n, k, batch, a, b, tf32: target.tf32 ?? false };
  return {
    run(inputs: readonly Tensor[]): Tensor[] {
      const out = emptyTensor(device, output.shape, output.dtype);
      const addresses = {
        a: addressOf(inputs[product.places.a]!),
        b: addressOf(inputs[product.places.b]!),
        out: out.storage.address,
      };
      try {
        library.multiply(asked, addresses);
      } catch (error) {
        out.dispose();
        throw error;
      }
      return [out];
    },
    free(): void {},
  };
}

/**
 * `lines` rows of a, or columns of b, of k elements. Such libraries take matrices whose elements lie side by side in one direction, at a distance
 * in the other that leaves room for them, and batches at even distances.
 */
function operandOf({ offsets, step, across }: Operand, lines: number, k: number): ProductOperand | null {
  const [first = 0, second = first] = offsets;
  const batchStride = second - first;
  if (first !== 0 || batchStride < 0 || offsets.some((offset, matrix) => offset !== matrix * batchStride)) return null;
  if (step === 1 && (lines === 1 || across >= k)) return { lies: 'along', pitch: lines === 1 ? k : across, batchStride };
  if (across === 1 && (k === 1 || step >= lines)) return { lies: 'across', pitch: k === 1 ? lines : step, batchStride };
  return null;
}
