/**
 * Kernels in CUDA C++ for the tests of the simulated driver: one text of kernels that are right, and one of kernels that are each wrong
 * in one way, with the line where it shows. They are no kernels of the library.
 */

/** Every kernel takes (in, out, n), where `in` and `out` are floats. */
export const goodKernels = `
extern "C" __global__ void scale(const float *in, float *out, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) out[i] = 2.0f * in[i];
}
// Through static shared memory.
extern "C" __global__ void __launch_bounds__(64) reverse(const float *in, float *out, int n) {
  __shared__ float tile[64];
  tile[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = tile[n - 1 - threadIdx.x];
}
// The same, through dynamic shared memory.
extern "C" __global__ void reverseDynamic(const float *in, float *out, int n) {
  extern __shared__ float space[];
  space[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = space[n - 1 - threadIdx.x];
}
// 16 x 16 in tiles of 8 x 8, in blocks of two dimensions.
extern "C" __global__ void transpose(const float *in, float *out, int n) {
  __shared__ __align__(16) float tile[8][9];
  const int x = blockIdx.x * 8, y = blockIdx.y * 8;
  tile[threadIdx.y][threadIdx.x] = in[(y + threadIdx.y) * 16 + x + threadIdx.x];
  __syncthreads();
  out[(x + threadIdx.y) * 16 + y + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}
// Shuffles within warps, shared memory between them.
extern "C" __global__ void total(const float *in, float *out, int n) {
  __shared__ float parts[32];
  float sum = 0.0f;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += in[i];
  for (int distance = 16; distance > 0; distance >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  sum = threadIdx.x < blockDim.x / 32 ? parts[threadIdx.x] : 0.0f;
  for (int distance = 16; distance > 0; distance >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, distance);
  if (threadIdx.x == 0) out[0] = sum;
}
// One warp: an inclusive sum, then neighbours exchange through shared memory.
extern "C" __global__ void scan(const float *in, float *out, int n) {
  __shared__ float line[32];
  float value = in[threadIdx.x];
  for (int distance = 1; distance < 32; distance <<= 1) {
    const float before = __shfl_up_sync(0xffffffffu, value, distance);
    if (threadIdx.x >= distance) value += before;
  }
  line[threadIdx.x] = value;
  __syncwarp();
  out[threadIdx.x] = line[threadIdx.x ^ 1];
}
// Votes, shuffles by index in halves of a warp, and a mask of half a warp.
extern "C" __global__ void vote(const float *in, float *out, int n) {
  const unsigned all = 0xffffffffu, lane = threadIdx.x;
  float sum = (float)__popc(__ballot_sync(all, lane < 5));
  sum += 100.0f * __any_sync(all, lane == 31) + 200.0f * __all_sync(all, lane < 31) + 1000.0f * __shfl_sync(all, (int)lane, 3, 16);
  if (lane < 16) sum += 100000.0f * __shfl_xor_sync(0x0000ffffu, (long long)lane, 1);
  out[lane] = sum + in[0] + 1e7f * (__syncthreads_count(lane % 2) - 16);
}
// Which lanes have the same value as each.
extern "C" __global__ void match(const float *in, float *out, int n) {
  out[threadIdx.x] = (float)(__match_any_sync(0xffffffffu, (int)in[threadIdx.x] / 20) >> 8);
}
// Every kind of atomic operation, by all threads.
extern "C" __global__ void atomics(const float *in, float *out, int n) {
  int *numbers = (int *)out;
  atomicAdd(&out[0], in[0]);
  atomicAdd(&numbers[1], 2);
  atomicMax(&numbers[2], (int)threadIdx.x);
  atomicMin(&numbers[3], -(int)threadIdx.x);
  atomicAdd((unsigned *)&numbers[4], 3u);
  atomicCAS(&numbers[5], 0, 7);
  atomicExch(&numbers[6], 9);
  atomicOr((unsigned *)&numbers[7], 1u << threadIdx.x % 32);
  atomicAdd((unsigned long long *)&numbers[8], 1ull << 32);
  atomicAdd((double *)&numbers[10], 0.5);
}
// The block that comes last adds up what all have written.
extern "C" __global__ void lastBlock(const float *in, float *out, int n) {
  __shared__ bool last;
  out[2 + blockIdx.x] = in[blockIdx.x];
  __threadfence();
  if (threadIdx.x == 0) last = atomicAdd((unsigned *)&out[1], 1u) == gridDim.x - 1;
  __syncthreads();
  if (!last || threadIdx.x != 0) return;
  __threadfence();
  float sum = 0.0f;
  for (int i = 0; i < gridDim.x; i++) sum += out[2 + i];
  out[0] = sum;
}
extern "C" __global__ void vectors(const float *in, float *out, int n) {
  const float4 four = ((const float4 *)in)[threadIdx.x];
  ((float4 *)out)[threadIdx.x] = make_float4(four.w, four.z, four.y, four.x);
}
static __device__ __forceinline__ float ofBits(int bits) { return __int_as_float(bits); }
static __device__ __forceinline__ unsigned reversed(unsigned x) {
#ifdef OPWRIGHT_SIMULATED
  return __brev(x);
#else
  unsigned result;
  asm("brev.b32 %0, %1;" : "=r"(result) : "r"(x));
  return result;
#endif
}
extern "C" __global__ void functions(const float *in, float *out, int n) {
  int at = 0;
  out[at++] = expf(in[0]) + floor(1.5f) + fmaf(2.0f, 3.0f, 4.0f) + (float)fma(1.0, 2.0, 3.0);
  out[at++] = ofBits(0x40490fdb);
  out[at++] = (float)(__clz(1) + __popc(255u) + __ffs(8) + __clzll(1ll));
  out[at++] = (float)__umulhi(0x80000000u, 6u);
  out[at++] = (float)max(min(5, 3), 2) + rsqrtf(4.0f) + (isnan(__int_as_float(0x7fc00000)) ? 10.0f : 0.0f);
  out[at++] = (float)(reversed(1u) >> 31) + (float)__byte_perm(0x03020100u, 0x07060504u, 0x4u) + (float)__funnelshift_l(0x80000000u, 1u, 1u);
}
struct Block {
  const float *in;
  float *out;
  int n;
  double factor;
};
extern "C" __global__ void byValue(const Block block, int first) {
  const int i = first + (int)threadIdx.x;
  if (i < block.n) block.out[i] = (float)(block.in[i] * block.factor);
}
`;

/** Each line that is to blame ends with a comment: `// !` and the kernel's name. They take (in, out, n) too. */
export const brokenKernels = `
extern "C" __global__ void missingBarrier(const float *in, float *out, int n) {
  __shared__ float tile[64];
  tile[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x] = tile[63 - threadIdx.x]; // !missingBarrier
}
extern "C" __global__ void missingBarrierInLoop(const float *in, float *out, int n) {
  __shared__ float tile[64];
  float sum = 0.0f;
  for (int round = 0; round < 2; round++) {
    tile[threadIdx.x] = in[threadIdx.x] + round; // !missingBarrierInLoop
    __syncthreads();
    sum += tile[threadIdx.x ^ 1]; // !missingBarrierInLoop
  }
  out[threadIdx.x] = sum;
}
extern "C" __global__ void missingSyncwarp(const float *in, float *out, int n) {
  __shared__ float tile[32];
  tile[threadIdx.x] = in[threadIdx.x]; // !missingSyncwarp
  out[threadIdx.x] = tile[threadIdx.x ^ 1]; // !missingSyncwarp
}
extern "C" __global__ void wrongStride(const float *in, float *out, int n) {
  out[(blockIdx.x * 32 + threadIdx.x) % 64] = in[threadIdx.x]; // !wrongStride
}
extern "C" __global__ void strideBeyond(const float *in, float *out, int n) {
  out[threadIdx.x] = in[threadIdx.x * 2]; // !strideBeyond
}
extern "C" __global__ void overrun(const float *in, float *out, int n) {
  out[threadIdx.x + 1] = in[threadIdx.x]; // !overrun
}
extern "C" __global__ void underrun(const float *in, float *out, int n) {
  out[threadIdx.x] = in[(int)threadIdx.x - 1]; // !underrun
}
extern "C" __global__ void farAway(const float *in, float *out, int n) {
  out[threadIdx.x] = in[threadIdx.x + 100000]; // !farAway
}
extern "C" __global__ void nullPointer(const float *in, float *out, int n) {
  out[threadIdx.x] = *(const float *)(size_t)(n - 64); // !nullPointer
}
extern "C" __global__ void copyWords(const float *in, float *out, int n) {
  out[threadIdx.x] = in[threadIdx.x]; // !copyWords
}
extern "C" __global__ void uninitialisedShared(const float *in, float *out, int n) {
  __shared__ float tile[64];
  if (threadIdx.x != 5) tile[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = tile[63 - threadIdx.x]; // !uninitialisedShared
}
extern "C" __global__ void divergentBarrier(const float *in, float *out, int n) {
  if (threadIdx.x < 16) __syncthreads(); // !divergentBarrier
  out[threadIdx.x] = in[threadIdx.x];
}
extern "C" __global__ void twoBarriers(const float *in, float *out, int n) {
  if (threadIdx.x < 16) {
    __syncthreads(); // !twoBarriers
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = in[threadIdx.x];
}
extern "C" __global__ void absentLanes(const float *in, float *out, int n) {
  float value = in[threadIdx.x];
  if (threadIdx.x < 16) value += __shfl_xor_sync(0xffffffffu, value, 1); // !absentLanes
  out[threadIdx.x] = value;
}
extern "C" __global__ void foreignMask(const float *in, float *out, int n) {
  out[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, in[threadIdx.x], 1); // !foreignMask
}
extern "C" __global__ void counter(const float *in, float *out, int n) {
  out[0] += in[threadIdx.x]; // !counter
}
extern "C" __global__ void atomicAndPlain(const float *in, float *out, int n) {
  if (threadIdx.x % 2 == 0) atomicAdd(out, 1.0f); // !atomicAndPlain
  else out[0] = in[0]; // !atomicAndPlain
}
extern "C" __global__ void blocksRace(const float *in, float *out, int n) {
  if (threadIdx.x == 0) out[0] = in[0]; // !blocksRace
}
extern "C" __global__ void readsOtherBlock(const float *in, float *out, int n) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  out[i] = in[threadIdx.x]; // !readsOtherBlock
  if (out[(i + 64) % 128] == 0.0f) out[i] += 1.0f; // !readsOtherBlock
}
extern "C" __global__ void missingFence(const float *in, float *out, int n) {
  out[2 + blockIdx.x] = in[blockIdx.x];
  if (atomicAdd((unsigned *)&out[1], 1u) != gridDim.x - 1) return;
  for (int i = 0; i < gridDim.x; i++) out[0] += out[2 + i]; // !missingFence
}
extern "C" __global__ void misaligned(const float *in, float *out, int n) {
  const int *words = (const int *)((const char *)in + 2);
  out[threadIdx.x] = (float)words[threadIdx.x]; // !misaligned
}
extern "C" __global__ void beyondArray(const float *in, float *out, int n) {
  __shared__ float tile[2][8];
  tile[threadIdx.x / 8 % 2][threadIdx.x % 8 + (n - 63)] = in[threadIdx.x]; // !beyondArray
}
extern "C" __global__ void beyondDynamic(const float *in, float *out, int n) {
  extern __shared__ float space[];
  space[threadIdx.x] = in[threadIdx.x]; // !beyondDynamic
}
extern "C" __global__ void divisionByZero(const float *in, float *out, int n) {
  out[threadIdx.x] = (float)(n / (int)threadIdx.x); // !divisionByZero
}
extern "C" __global__ void wideShift(const float *in, float *out, int n) {
  out[threadIdx.x] = (float)(1 << (n - (int)threadIdx.x)); // !wideShift
}
extern "C" __global__ void unsafeConversion(const float *in, float *out, int n) {
  out[threadIdx.x] = (float)(int)(in[threadIdx.x] + 3e9f); // !unsafeConversion
}
extern "C" __global__ void deepStack(const float *in, float *out, int n) {
  volatile float local[30000];
  for (int i = 0; i < 30000; i++) local[i] = in[0]; // !deepStack
  out[threadIdx.x] = local[n];
}
extern "C" __global__ void endless(const float *in, float *out, int n) {
  while (((volatile const float *)in)[0] == 0.0f) {} // !endless
  out[threadIdx.x] = 1.0f;
}
extern "C" __global__ void endlessBarriers(const float *in, float *out, int n) {
  while (in[0] == 0.0f) __syncthreads();
  out[threadIdx.x] = 1.0f;
}
extern "C" __global__ void trap(const float *in, float *out, int n) {
  if (threadIdx.x == 3) __trap(); // !trap
}
`;

/** The numbers of the lines that are to blame for what a broken kernel does. */
export function guiltyLines(kernel: string): readonly number[] {
  return brokenKernels.split('\n').flatMap((line, index) => (line.endsWith(`// !${kernel}`) ? [index + 1] : []));
}
