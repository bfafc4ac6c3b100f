/**
 * The compiler flags under which printed C means what the IR means and is fast, each with its reason. Finding a compiler and running
 * it are not this file's concern.
 */
export interface CompilerFlag {
  readonly flag: string;
  readonly reason: string;
  /** Results may be wrong without it. */
  readonly required?: boolean;
}

/** What GCC and Clang both take, for a kernel file on its own. */
export const compilerFlags: readonly CompilerFlag[] = [
  { flag: '-std=gnu11', reason: 'the dialect: C11 with vector extensions and typeof-free builtins' },
  { flag: '-O2', reason: 'loops come vectorised already; -O3 takes half as long again to compile and gains nothing measurable' },
  { flag: '-march=native', reason: 'the vectors are as wide as the machine has them; replaced when a target is named' },
  {
    flag: '-ffp-contract=off',
    reason: 'a * b + c rounds twice unless the kernel says fma, so that a loop in lanes and its tail agree to the bit',
    required: true,
  },
  { flag: '-fno-strict-aliasing', reason: 'buffers of different dtypes may share memory', required: true },
  { flag: '-fno-math-errno', reason: 'sqrt and the like become instructions: nobody reads errno' },
  { flag: '-fno-trapping-math', reason: 'floor, comparisons and selects may run in lanes: nobody reads exception flags' },
  { flag: '-fno-semantic-interposition', reason: 'kernels call nothing that another library may replace' },
  { flag: '-fno-stack-protector', reason: 'kernels have no arrays on the stack' },
  { flag: '-fPIC', reason: 'kernels are loaded as a shared object' },
  { flag: '-w', reason: 'generated code has unused names, and GCC remarks on the ABI of vectors that are only passed inline' },
];

/** After the source files: float64 kernels call functions of libm. */
export const linkerFlags: readonly CompilerFlag[] = [
  { flag: '-shared', reason: 'the result is a shared object' },
  { flag: '-lm', reason: 'the transcendental functions of float64' },
];

/** What nvcc and NVRTC need for the CUDA dialect. */
export const cudaFlags: readonly CompilerFlag[] = [
  {
    flag: '--fmad=false',
    reason:
      'as -ffp-contract=off: only the fma of a kernel rounds once, and results agree with the cpu to the bit where it has none',
    required: true,
  },
];

export const flagsOf = (flags: readonly CompilerFlag[]): readonly string[] => flags.map(({ flag }) => flag);
