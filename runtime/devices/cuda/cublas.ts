/**
 * cuBLAS, NVIDIA's library of matrix products: finding one that fits the driver, and calling it. Nothing needs it. Where it is used instead of
 * our kernels is cublas-use.ts's to say.
 *
 * cuBLAS counts along columns, and tensors lie in rows: a matrix in rows is the transpose of the one that it sees. It is therefore asked for
 * out^T = b^T a^T, with our b as its first operand, and a matrix is to be transposed where its elements do not lie side by side along its rows.
 */
import { OpwrightError } from '../../errors.js';
import type { LibraryProduct, ProductOperand } from '../device.js';
import type { NativeLibrary, ParameterType } from '../ffi.js';
import { type CudaVersion, versionText } from './driver.js';
import type { Gpu } from './gpu.js';
import { type Attempt, cublasCandidates, tryToOpen } from './libraries.js';

function bind(library: NativeLibrary) {
  const entry = <const Parameters extends readonly ParameterType[]>(name: string, ...parameters: Parameters) =>
    library.function(name, 'i32', parameters);
  const sizes = ['i32', 'i32', 'i32', 'i32', 'i32'] as const;
  return {
    cublasGetProperty: entry('cublasGetProperty', 'i32', 'bytes'),
    cublasCreate: entry('cublasCreate_v2', 'bytes'),
    cublasDestroy: entry('cublasDestroy_v2', 'address'),
    cublasSetStream: entry('cublasSetStream_v2', 'address', 'address'),
    cublasGemmStridedBatchedEx: entry(
      'cublasGemmStridedBatchedEx',
      'address',
      ...sizes,
      'bytes',
      ...(['address', 'i32', 'i32', 'i64'] as const),
      ...(['address', 'i32', 'i32', 'i64'] as const),
      'bytes',
      ...(['address', 'i32', 'i32', 'i64'] as const),
      'i32',
      'i32',
      'i32',
    ),
  };
}

type CublasCalls = ReturnType<typeof bind>;

/** Numbers of cudaDataType, of what sums are kept in, and of the forms of cublasComputeType_t. */
const types = {
  float32: { number: 0, scalars: Float32Array, compute: 68 },
  float64: { number: 1, scalars: Float64Array, compute: 70 },
  float16: { number: 2, scalars: Float32Array, compute: 68 },
  bfloat16: { number: 14, scalars: Float32Array, compute: 68 },
} as const;
const computeWithTf32 = 77;

/** CUBLAS_OP_N and CUBLAS_OP_T, and CUBLAS_GEMM_DEFAULT. */
const operations = { asItLies: 0, transposed: 1 } as const;
const usualAlgorithm = -1;

const majorVersion = 0;
const minorVersion = 1;

export class Cublas {
  readonly version: CudaVersion;
  /** Zero until the first product, and after `release`. */
  private handle = 0;

  private constructor(
    readonly library: NativeLibrary,
    private readonly calls: CublasCalls,
  ) {
    this.version = { major: this.property(majorVersion), minor: this.property(minorVersion) };
  }

  /** The first, in the order of libraries.ts, that the driver can run, or what was tried. */
  static find(driver: CudaVersion): Cublas | readonly Attempt[] {
    const attempts: Attempt[] = [];
    for (const path of cublasCandidates()) {
      const found = open(path);
      if (!(found instanceof Cublas)) attempts.push(found);
      else if (found.version.major <= driver.major) return found;
      else attempts.push({ path, problem: `it is cuBLAS ${versionText(found.version)}, newer than the driver` });
    }
    return attempts;
  }

  static load(library: NativeLibrary): Cublas {
    return new Cublas(library, bind(library));
  }

  /** Computes out = a b for a batch, in the GPU's stream. */
  multiply(gpu: Gpu, product: LibraryProduct, at: { readonly a: number; readonly b: number; readonly out: number }): void {
    const { dtype, m, n, k, batch, a, b, tf32 } = product;
    const { number, scalars, compute } = types[dtype];
    const call = 'cublasGemmStridedBatchedEx';
    const code = this.calls[call](
      this.open(gpu),
      operationOf(b, 'across'),
      operationOf(a, 'along'),
      ...([n, m, k] as const),
      scalars.of(1),
      ...([at.b, number, b.pitch, b.batchStride] as const),
      ...([at.a, number, a.pitch, a.batchStride] as const),
      scalars.of(0),
      ...([at.out, number, n, m * n] as const),
      batch,
      dtype === 'float32' && tf32 ? computeWithTf32 : compute,
      usualAlgorithm,
    );
    this.must(call, code);
  }

  /** Gives back what it holds of the GPU's memory. The next product takes it anew. */
  release(gpu: Gpu): void {
    if (this.handle === 0) return;
    const { handle } = this;
    this.handle = 0;
    gpu.use();
    this.must('cublasDestroy', this.calls.cublasDestroy(handle));
  }

  /** The handle, which belongs to the context that is current when it is made. */
  private open(gpu: Gpu): number {
    gpu.use();
    if (this.handle !== 0) return this.handle;
    const out = new BigUint64Array(1);
    this.must('cublasCreate', this.calls.cublasCreate(out));
    const made = Number(out[0]);
    const code = this.calls.cublasSetStream(made, gpu.stream);
    if (code !== 0) this.calls.cublasDestroy(made);
    this.must('cublasSetStream', code);
    this.handle = made;
    return made;
  }

  private property(which: number): number {
    const out = new Int32Array(1);
    this.must('cublasGetProperty', this.calls.cublasGetProperty(which, out));
    return out[0]!;
  }

  private must(call: keyof CublasCalls, code: number): void {
    if (code === 0) return;
    const status = `${call} gives ${statusNames.get(code) ?? 'an unknown status'} (${code})`;
    const rule = `it is cuBLAS ${this.library.path}`;
    if (code === allocationFailed)
      throw new OpwrightError('OUT_OF_MEMORY', `The GPU has no memory left for cuBLAS: ${status}.`, {
        rule,
        remedy: 'Dispose tensors, or do without cuBLAS: OPWRIGHT_CUBLAS=0.',
      });
    throw new OpwrightError('DEVICE_ERROR', `cuBLAS reports an error: ${status}.`, {
      rule,
      remedy: 'OPWRIGHT_CUBLAS=0 computes without cuBLAS; OPWRIGHT_CUBLAS_LIBRARY names another one.',
    });
  }
}

/** Whether cuBLAS is to transpose an operand whose elements lie side by side in the direction that it does not read as columns. */
const operationOf = ({ lies }: ProductOperand, columns: ProductOperand['lies']): number =>
  lies === columns ? operations.asItLies : operations.transposed;

/** Of cublasStatus_t. */
const allocationFailed = 3;
const statusNames: ReadonlyMap<number, string> = new Map([
  [1, 'CUBLAS_STATUS_NOT_INITIALIZED'],
  [allocationFailed, 'CUBLAS_STATUS_ALLOC_FAILED'],
  [7, 'CUBLAS_STATUS_INVALID_VALUE'],
  [8, 'CUBLAS_STATUS_ARCH_MISMATCH'],
  [11, 'CUBLAS_STATUS_MAPPING_ERROR'],
  [13, 'CUBLAS_STATUS_EXECUTION_FAILED'],
  [14, 'CUBLAS_STATUS_INTERNAL_ERROR'],
  [15, 'CUBLAS_STATUS_NOT_SUPPORTED'],
]);

function open(path: string): Cublas | Attempt {
  const library = tryToOpen(path);
  if ('problem' in library) return library;
  try {
    return Cublas.load(library);
  } catch (error) {
    if (error instanceof OpwrightError) return { path, problem: error.summary };
    throw error;
  }
}
