/**
 * Which matrix products go to cuBLAS: those that the table says it is faster at, or what OPWRIGHT_CUBLAS asks for. It depends on dtype and
 * size alone, so that results repeat.
 */
import { formatValue, OpwrightError } from '../../errors.js';
import type { ProductDtype } from '../device.js';

export type CublasUse = 'never' | 'by table' | 'always';

/** OPWRIGHT_CUBLAS: 0 turns it off, 1 uses it wherever it is found and the operands lie so that it can read them. */
export function readCublasUse(setting: string | undefined): CublasUse {
  if (setting === undefined || setting === '') return 'by table';
  if (setting === '0') return 'never';
  if (setting === '1') return 'always';
  throw new OpwrightError('INVALID_ARGUMENT', `OPWRIGHT_CUBLAS is ${formatValue(setting)}.`, {
    argument: 'OPWRIGHT_CUBLAS',
    rule: '0 or 1',
  });
}

/**
 * The multiplications in a product from which on cuBLAS is faster than our kernels. Infinity: never, as nothing was measured yet. `npm run bench:gpu -- --cublas
 * --filter matmul` measures both.
 */
const fasterFrom: Readonly<Record<ProductDtype, number>> = {
  float32: Infinity,
  float64: Infinity,
  float16: Infinity,
  bfloat16: Infinity,
};

/** Whether a product of that many multiplications goes to cuBLAS. */
export function prefersCublas(use: CublasUse, dtype: ProductDtype, size: number): boolean {
  return use === 'always' || (use === 'by table' && size >= fasterFrom[dtype]);
}
