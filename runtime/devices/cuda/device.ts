/**
 * A GPU as a device. Launches return at once and run one after another in one stream; whoever reads waits for what was launched
 * before. What goes wrong in a kernel therefore shows at the next wait: an index out of range with the op and the place of its call
 * (error-words.ts), a fault of the GPU as DEVICE_LOST.
 */
import { debugging, report } from '../../debug.js';
import type { CompiledKernel, Device, DeviceMemory, ParamBlock, ProductDtype, ProductLibrary } from '../device.js';
import { CachingAllocator, DirectAllocator, type GpuAllocator } from './allocator.js';
import { Cublas } from './cublas.js';
import { type CublasUse, prefersCublas, readCublasUse } from './cublas-use.js';
import { type Driver, versionText } from './driver.js';
import { ErrorWords } from './error-words.js';
import { type DeviceProperties, Gpu } from './gpu.js';
import { launchShape } from './launch-shape.js';
import { describeAttempts } from './libraries.js';
import { Nvrtc } from './nvrtc.js';
import { CudaParams } from './params.js';
import { happened, Staging } from './staging.js';
import { CudaKernel, CudaTier } from './tier.js';

/** The error word is the first of a block's members. */
const errorWord = 0;

export class CudaDevice implements Device {
  readonly name: string;
  readonly machine = 'gpu';
  readonly gpu: Gpu;
  /** How many kernels were launched. */
  launches = 0;
  private readonly tierOfAll: CudaTier;
  private readonly allocator: GpuAllocator;
  private readonly staging: Staging;
  private readonly errors: ErrorWords;
  private op: string | undefined;
  /** Null where there is none; undefined before anybody asks. */
  private cublasFound: Cublas | null | undefined;

  /** Throws DEVICE_UNAVAILABLE where there is no such GPU, or no NVRTC that serves it. */
  constructor(
    driver: Driver,
    index: number,
    private readonly cublasUse: CublasUse = readCublasUse(process.env.OPWRIGHT_CUBLAS),
  ) {
    this.name = `cuda:${index}`;
    this.gpu = new Gpu(driver, index);
    this.tierOfAll = new CudaTier(this.gpu, Nvrtc.find(driver.version, this.gpu.computeCapability));
    const direct = process.env.OPWRIGHT_DEBUG_ALLOCATOR === '1';
    this.allocator = direct ? new DirectAllocator(this.gpu) : new CachingAllocator(this.gpu);
    this.staging = new Staging(this.gpu);
    this.errors = new ErrorWords(this.gpu, this.staging);
    if (debugging.device) report('device', `${this.name}: ${this.description()}`);
  }

  get settings(): string {
    return this.tierOfAll.target.tf32 === true ? 'tf32 ' : '';
  }

  /** Whether products of float32 may use TF32, where the GPU has it. */
  get allowTf32(): boolean {
    return this.tierOfAll.allowTf32;
  }

  set allowTf32(allowed: boolean) {
    this.tierOfAll.allowTf32 = allowed;
  }

  get properties(): DeviceProperties {
    return this.gpu.properties;
  }

  get nvrtc(): Nvrtc {
    return this.tierOfAll.nvrtc;
  }

  allocate(bytes: number): number {
    return this.allocator.allocate(bytes);
  }

  free(address: number): void {
    this.allocator.free(address);
  }

  write(address: number, bytes: Uint8Array): void {
    this.staging.write(address, bytes);
  }

  readSync(address: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.staging.readSync(address, bytes);
    this.errors.check();
  }

  async read(address: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await this.staging.read(address, bytes);
    this.errors.check();
  }

  fill(address: number, bytes: number, value: number): void {
    if (bytes === 0) return;
    const { driver, stream } = this.gpu;
    driver.check('cuMemsetD8Async', this.gpu.use().cuMemsetD8Async(address, value, bytes, stream));
  }

  copy(from: number, to: number, bytes: number): void {
    if (bytes === 0) return;
    const { driver, stream } = this.gpu;
    driver.check('cuMemcpyDtoDAsync', this.gpu.use().cuMemcpyDtoDAsync(to, from, bytes, stream));
  }

  tier(): CudaTier {
    return this.tierOfAll;
  }

  finishCompiling(): void {
    this.tierOfAll.finish();
  }

  productLibrary(dtype: ProductDtype, size: number): ProductLibrary | undefined {
    if (!prefersCublas(this.cublasUse, dtype, size)) return undefined;
    const { cublas, gpu } = this;
    if (cublas === undefined) return undefined;
    return {
      multiply: (product, addresses) => {
        cublas.multiply(gpu, product, addresses);
        this.launches++;
        if (debugging.launch) report('launch', `a product by cuBLAS: ${this.name}, ${product.dtype}`);
      },
    };
  }

  /** cuBLAS, where it is found; looked for once. */
  get cublas(): Cublas | undefined {
    this.cublasFound ??= this.findCublas();
    return this.cublasFound ?? undefined;
  }

  private findCublas(): Cublas | null {
    const found = Cublas.find(this.gpu.driver.version);
    if (found instanceof Cublas) return found;
    if (this.cublasUse === 'always')
      process.emitWarning(`OPWRIGHT_CUBLAS is 1, and cuBLAS is not there: ${describeAttempts(found)}.`, {
        code: 'OPWRIGHT_CUBLAS',
        detail: 'Our own kernels compute products. OPWRIGHT_CUBLAS_LIBRARY says where cuBLAS is.',
      });
    return null;
  }

  announce(op: string): void {
    this.op = op;
  }

  createParams(kernel: CompiledKernel): ParamBlock {
    return new CudaParams(ofThisKind(kernel));
  }

  launch(kernel: CompiledKernel, params: ParamBlock, work: number): void {
    if (!(kernel instanceof CudaKernel) || !(params instanceof CudaParams)) throw foreign();
    if (work === 0) return;
    if (kernel.function === 0) this.tierOfAll.load(kernel);
    if (kernel.mayFail) params.setPointer(errorWord, this.errors.place(kernel.kernel.name, this.op));
    params.setWork(work);
    const { blocks, threads, groups } = launchShape(kernel.room(this.gpu), kernel.printed.group, work, (name) =>
      params.i32(kernel.offsets.get(name)!),
    );
    const { driver, stream } = this.gpu;
    const calls = this.gpu.use();
    driver.check(
      'cuLaunchKernel',
      calls.cuLaunchKernel(kernel.function, blocks, 1, 1, threads, groups, 1, 0, stream, params.address, 0),
    );
    this.launches++;
    if (debugging.launch) {
      const block = `${blocks} blocks of ${threads}${groups === 1 ? '' : ` x ${groups}`}`;
      report('launch', `${kernel.kernel.name}: ${this.name}, ${work} items, ${block} threads`);
    }
  }

  async synchronize(): Promise<void> {
    const { gpu } = this;
    const event = this.recordEvent();
    try {
      await happened(gpu, event);
    } finally {
      this.destroyEvent(event);
    }
    this.errors.check();
  }

  memory(): DeviceMemory {
    return this.allocator.report();
  }

  /** Gives memory that is kept for reuse back to the driver. */
  emptyCache(): void {
    this.cublasFound?.release(this.gpu);
    this.allocator.dropPool();
  }

  // ---- Events: marks in the stream

  /** An event that happens when the work launched so far is done. Whoever makes one destroys it. */
  recordEvent(): number {
    const { driver, stream } = this.gpu;
    const calls = this.gpu.use();
    const event = driver.handle('cuEventCreate', (out) => calls.cuEventCreate(out, 0));
    driver.check('cuEventRecord', calls.cuEventRecord(event, stream));
    return event;
  }

  destroyEvent(event: number): void {
    this.gpu.driver.check('cuEventDestroy', this.gpu.use().cuEventDestroy(event));
  }

  /** Milliseconds on the GPU between two events, of which it waits for the second. */
  async millisecondsBetween(start: number, end: number): Promise<number> {
    await happened(this.gpu, end);
    const out = new Float32Array(1);
    this.gpu.driver.check('cuEventElapsedTime', this.gpu.use().cuEventElapsedTime(out, start, end));
    return out[0]!;
  }

  private description(): string {
    const { name, computeCapability, totalMemory } = this.gpu.properties;
    const memory = `${(totalMemory / 2 ** 30).toFixed(1)} GiB`;
    return `${name}, compute capability ${computeCapability}, ${memory}, driver of CUDA ${versionText(this.gpu.driver.version)}, NVRTC ${versionText(this.nvrtc.version)}`;
  }
}

function ofThisKind(kernel: CompiledKernel): CudaKernel {
  if (kernel instanceof CudaKernel) return kernel;
  throw foreign();
}

const foreign = (): TypeError => new TypeError('the kernel or its parameters belong to another device');
