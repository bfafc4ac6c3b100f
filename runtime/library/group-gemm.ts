/**
 * Which kernel for groups of threads computes a product (kernels/lower/group-gemm.ts, group-gemm-tensor-cores.ts), and with which parameters.
 * All follows from shapes and strides. Operands are read as they lie.
 */
import type { Kernel, TileElement } from '../../kernels/ir.js';
import { groupGemmKernel, type Lies, tileSizes } from '../../kernels/lower/group-gemm.js';
import { tensorCoreGemmKernel } from '../../kernels/lower/group-gemm-tensor-cores.js';
import { packedStorage } from '../../kernels/lower/tile.js';
import type { Dtype } from '../dtype.js';
import type { Operand, Product } from './gemm.js';
import { remembered } from './launch.js';

const groupGemmKernels = remembered(groupGemmKernel);
const tensorCoreGemmKernels = remembered(tensorCoreGemmKernel);

/** With fewer tiles than this a GPU is not busy: k is cut into parts, of no less than `leastPart`, which are added up afterwards. */
const busyTiles = 128;
const leastPart = 512;
/** Parts are multiples of what kernels take along k at once. */
const depths = 32;

/** An operand whose elements lie where two tables say, which a launch is given. */
export interface TableOperand extends Pick<Operand, 'offsets'> {
  readonly lines: readonly number[];
  readonly steps: readonly number[];
  /** Where neighbours are. */
  readonly runs: 'along' | 'across';
}

type Sizes = Pick<Product, 'dtype' | 'm' | 'n' | 'k' | 'batch'>;

export interface GroupProduct {
  readonly kernel: Kernel;
  readonly integers: Readonly<Record<string, number>>;
  readonly items: number;
  /** What k is cut into. */
  readonly parts: number;
}

export function groupProduct({
  dtype,
  m,
  n,
  k,
  batch,
  a,
  b,
  tf32 = false,
}: Sizes & {
  readonly a: Operand | TableOperand;
  readonly b: Operand | TableOperand;
  /** Whether operands of float32 may be rounded to TF32. */
  readonly tf32?: boolean;
}): GroupProduct {
  const countOf = (size: keyof typeof tileSizes): [number, number] => [
    Math.ceil(m / tileSizes[size].rows),
    Math.ceil(n / tileSizes[size].columns),
  ];
  const [largeRows, largeColumns] = countOf('large');
  const size = batch * largeRows * largeColumns >= busyTiles ? 'large' : 'small';
  const [rowTiles, columnTiles] = countOf(size);
  const tiles = batch * rowTiles * columnTiles;
  const wanted = Math.max(1, Math.min(Math.floor(busyTiles / tiles), Math.floor(k / leastPart)));
  const partLength = Math.ceil(k / wanted / depths) * depths;
  const parts = Math.ceil(k / partLength);
  const outStorage = parts === 1 ? dtype : packedStorage(dtype);
  const element = tileElementOf(dtype, tf32);
  const form = { outStorage, a: liesOf(a), b: liesOf(b), size } as const;
  return {
    kernel: element === undefined ? groupGemmKernels({ ...form, storage: dtype }) : tensorCoreGemmKernels({ ...form, element }),
    integers: {
      ...{ m, n, k, batch, parts, partLength, rowTiles, columnTiles },
      ...strides('a', a),
      ...strides('b', b),
    },
    items: tiles * parts,
    parts,
  };
}

/** What tensor cores take for elements of that dtype, if they do. */
function tileElementOf(dtype: Dtype, tf32: boolean): TileElement | undefined {
  if (dtype === 'float16' || dtype === 'bfloat16') return dtype;
  return dtype === 'float32' && tf32 ? 'tf32' : undefined;
}

function liesOf(operand: Operand | TableOperand): Lies {
  if ('runs' in operand) return `${operand.runs} by table`;
  return operand.step === 1 ? 'along' : operand.across === 1 ? 'across' : 'apart';
}

function strides(name: 'a' | 'b', operand: Operand | TableOperand): Readonly<Record<string, number>> {
  const { across, step } = 'runs' in operand ? { across: 0, step: 0 } : operand;
  return { [`${name}Across`]: across, [`${name}Step`]: step };
}
