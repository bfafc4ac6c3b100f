// What NVRTC knows without any header, for the host's compiler: CUDA's keywords, built-in variables, intrinsics and functions, as far as
// kernels here may use them. It stands before every kernel text, after kernel-table.h; nothing else is declared there, as under NVRTC.
// An inline-PTX function needs a second body, in plain C++, for where OPWRIGHT_SIMULATED is defined.

#define OPWRIGHT_SIMULATED 1
#define __CUDACC__ 1
#define __CUDACC_RTC__ 1

#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// Within kernels, the translation puts shared memory where the simulator finds it.
#define __shared__ _Pragma("GCC error \"__shared__ outside of a kernel\"")
#define SIM_SHARED(kernel) static __attribute__((section("sim_shared_" #kernel)))

typedef __SIZE_TYPE__ size_t;

// ---- Threads

extern "C" {
__attribute__((const)) SimIndex simThreadIndex();
__attribute__((const)) SimIndex simBlockIndex();
__attribute__((const)) SimIndex simBlockSize();
__attribute__((const)) SimIndex simGridSize();
unsigned simBarrier(unsigned line, int predicate);
unsigned long long simWarp(unsigned line, SimWarpOperation operation, unsigned mask, unsigned long long value, int parameter, int width);
unsigned simActiveMask();
void simFence();
[[noreturn]] void simTrap(unsigned line);
unsigned long long simAtomicLoad(const void *address, unsigned bytes);
void simAtomicStore(void *address, unsigned bytes, unsigned long long value);
}

#define threadIdx (simThreadIndex())
#define blockIdx (simBlockIndex())
#define blockDim (simBlockSize())
#define gridDim (simGridSize())
#define warpSize 32

#define __syncthreads() ((void)simBarrier(__LINE__, 0))
#define __syncthreads_count(predicate) ((int)simBarrier(__LINE__, (predicate) != 0))
#define __syncthreads_or(predicate) ((int)(simBarrier(__LINE__, (predicate) != 0) != 0))
#define __syncthreads_and(predicate) ((int)(simBarrier(__LINE__, (predicate) == 0) == 0))
#define __threadfence() simFence()
#define __threadfence_block() ((void)0)
#define __threadfence_system() simFence()
#define __trap() simTrap(__LINE__)
#define __nanosleep(nanoseconds) ((void)(nanoseconds))

// ---- Bits

template <class To, class From> static inline To simBits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits of another size");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}
template <class Value> static inline unsigned long long simWiden(Value value) {
  static_assert(sizeof value <= sizeof(unsigned long long), "shuffles and atomic operations are of 8 bytes at most");
  unsigned long long wide = 0;
  __builtin_memcpy(&wide, &value, sizeof value);
  return wide;
}
template <class Value> static inline Value simNarrow(unsigned long long wide) {
  Value value;
  __builtin_memcpy(&value, &wide, sizeof value);
  return value;
}

static inline int __float_as_int(float x) { return simBits<int>(x); }
static inline unsigned __float_as_uint(float x) { return simBits<unsigned>(x); }
static inline float __int_as_float(int x) { return simBits<float>(x); }
static inline float __uint_as_float(unsigned x) { return simBits<float>(x); }
static inline long long __double_as_longlong(double x) { return simBits<long long>(x); }
static inline double __longlong_as_double(long long x) { return simBits<double>(x); }
static inline int __double2hiint(double x) { return (int)(simBits<unsigned long long>(x) >> 32); }
static inline int __double2loint(double x) { return (int)simBits<unsigned long long>(x); }

static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
static inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll((unsigned long long)x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static inline long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
static inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int bit = 0; bit < 32; bit++) reversed |= (x >> bit & 1) << (31 - bit);
  return reversed;
}
static inline unsigned long long __brevll(unsigned long long x) {
  return (unsigned long long)__brev((unsigned)x) << 32 | __brev((unsigned)(x >> 32));
}
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  const unsigned long long bytes = (unsigned long long)b << 32 | a;
  unsigned picked = 0;
  for (int at = 0; at < 4; at++) picked |= (unsigned)(bytes >> (selector >> 4 * at & 7) * 8 & 255) << 8 * at;
  return picked;
}
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)((((unsigned long long)high << 32 | low) << (shift & 31)) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((unsigned long long)high << 32 | low) >> (shift & 31));
}

// ---- Warps

template <class Value>
static inline Value simShuffle(unsigned line, SimWarpOperation operation, unsigned mask, Value value, int parameter, int width = 32) {
  return simNarrow<Value>(simWarp(line, operation, mask, simWiden(value), parameter, width));
}
static inline void simSyncWarp(unsigned line, unsigned mask = 0xffffffffu) { simWarp(line, simSync, mask, 0, 0, 32); }

#define __shfl_sync(...) simShuffle(__LINE__, simShuffleIndex, __VA_ARGS__)
#define __shfl_up_sync(...) simShuffle(__LINE__, simShuffleUp, __VA_ARGS__)
#define __shfl_down_sync(...) simShuffle(__LINE__, simShuffleDown, __VA_ARGS__)
#define __shfl_xor_sync(...) simShuffle(__LINE__, simShuffleXor, __VA_ARGS__)
#define __syncwarp(...) simSyncWarp(__LINE__ __VA_OPT__(, ) __VA_ARGS__)
#define __ballot_sync(mask, predicate) ((unsigned)simWarp(__LINE__, simBallot, mask, (predicate) != 0, 0, 32))
#define __all_sync(mask, predicate) ((int)simWarp(__LINE__, simAll, mask, (predicate) != 0, 0, 32))
#define __any_sync(mask, predicate) ((int)simWarp(__LINE__, simAny, mask, (predicate) != 0, 0, 32))
#define __match_any_sync(mask, value) ((unsigned)simWarp(__LINE__, simMatch, mask, simWiden(value), 0, 32))
#define __activemask() simActiveMask()

// ---- Atomics: nothing else runs between the load and the store

template <class Value, class Change> static inline Value simChange(Value *address, Change change) {
  const Value old = simNarrow<Value>(simAtomicLoad(address, sizeof old));
  simAtomicStore(address, sizeof old, simWiden<Value>(change(old)));
  return old;
}

#define SIM_ATOMIC(name, type, result) \
  static inline type name(type *address, type value) { return simChange(address, [=](type old) -> type { return result; }); }
#define SIM_ATOMICS_OF_INTEGERS(type)                     \
  SIM_ATOMIC(atomicMax, type, old > value ? old : value)  \
  SIM_ATOMIC(atomicMin, type, old < value ? old : value)  \
  SIM_ATOMIC(atomicAnd, type, old &value)                 \
  SIM_ATOMIC(atomicOr, type, old | value)                 \
  SIM_ATOMIC(atomicXor, type, old ^ value)                \
  SIM_ATOMIC(atomicExch, type, value)                     \
  static inline type atomicCAS(type *address, type expected, type value) { \
    return simChange(address, [=](type old) -> type { return old == expected ? value : old; }); \
  }
SIM_ATOMICS_OF_INTEGERS(int)
SIM_ATOMICS_OF_INTEGERS(unsigned)
SIM_ATOMICS_OF_INTEGERS(long long)
SIM_ATOMICS_OF_INTEGERS(unsigned long long)
SIM_ATOMIC(atomicExch, float, value)
SIM_ATOMIC(atomicAdd, int, (int)((unsigned)old + (unsigned)value))
SIM_ATOMIC(atomicSub, int, (int)((unsigned)old - (unsigned)value))
SIM_ATOMIC(atomicAdd, unsigned, old + value)
SIM_ATOMIC(atomicSub, unsigned, old - value)
SIM_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
SIM_ATOMIC(atomicDec, unsigned, old == 0 || old > value ? value : old - 1)
SIM_ATOMIC(atomicAdd, unsigned long long, old + value)
SIM_ATOMIC(atomicAdd, float, old + value)
SIM_ATOMIC(atomicAdd, double, old + value)
static inline unsigned short atomicCAS(unsigned short *address, unsigned short expected, unsigned short value) {
  return simChange(address, [=](unsigned short old) -> unsigned short { return old == expected ? value : old; });
}

// ---- Mathematics: C's library, with the overloads for float that CUDA has

#define SIM_FUNCTION(name)                                        \
  extern "C" double name(double) noexcept;                        \
  extern "C" float name##f(float) noexcept;                       \
  static inline float name(float x) { return name##f(x); }
#define SIM_FUNCTION_OF_TWO(name)                                       \
  extern "C" double name(double, double) noexcept;                      \
  extern "C" float name##f(float, float) noexcept;                      \
  static inline float name(float x, float y) { return name##f(x, y); }
SIM_FUNCTION(sqrt) SIM_FUNCTION(cbrt) SIM_FUNCTION(fabs)
SIM_FUNCTION(exp) SIM_FUNCTION(exp2) SIM_FUNCTION(exp10) SIM_FUNCTION(expm1)
SIM_FUNCTION(log) SIM_FUNCTION(log2) SIM_FUNCTION(log10) SIM_FUNCTION(log1p)
SIM_FUNCTION(sin) SIM_FUNCTION(cos) SIM_FUNCTION(tan) SIM_FUNCTION(asin) SIM_FUNCTION(acos) SIM_FUNCTION(atan)
SIM_FUNCTION(sinh) SIM_FUNCTION(cosh) SIM_FUNCTION(tanh) SIM_FUNCTION(asinh) SIM_FUNCTION(acosh) SIM_FUNCTION(atanh)
SIM_FUNCTION(floor) SIM_FUNCTION(ceil) SIM_FUNCTION(trunc) SIM_FUNCTION(rint) SIM_FUNCTION(round) SIM_FUNCTION(nearbyint)
SIM_FUNCTION(erf) SIM_FUNCTION(erfc) SIM_FUNCTION(lgamma) SIM_FUNCTION(tgamma)
SIM_FUNCTION_OF_TWO(pow) SIM_FUNCTION_OF_TWO(atan2) SIM_FUNCTION_OF_TWO(fmod) SIM_FUNCTION_OF_TWO(remainder)
SIM_FUNCTION_OF_TWO(hypot) SIM_FUNCTION_OF_TWO(fmin) SIM_FUNCTION_OF_TWO(fmax) SIM_FUNCTION_OF_TWO(fdim)
SIM_FUNCTION_OF_TWO(copysign) SIM_FUNCTION_OF_TWO(nextafter)
extern "C" double fma(double, double, double) noexcept;
extern "C" float fmaf(float, float, float) noexcept;
static inline float fma(float x, float y, float z) { return fmaf(x, y, z); }
extern "C" double ldexp(double, int) noexcept;
extern "C" float ldexpf(float, int) noexcept;
extern "C" void sincos(double, double *, double *) noexcept;
extern "C" void sincosf(float, float *, float *) noexcept;

static inline float rsqrtf(float x) { return (float)(1 / sqrt((double)x)); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
static inline float rsqrt(float x) { return rsqrtf(x); }
static inline bool isnan(float x) { return x != x; }
static inline bool isnan(double x) { return x != x; }
static inline bool isinf(float x) { return __builtin_isinf(x); }
static inline bool isinf(double x) { return __builtin_isinf(x); }
static inline bool isfinite(float x) { return __builtin_isfinite(x); }
static inline bool isfinite(double x) { return __builtin_isfinite(x); }
static inline bool signbit(float x) { return __builtin_signbitf(x); }
static inline bool signbit(double x) { return __builtin_signbit(x); }

#define SIM_MINIMUM_AND_MAXIMUM(type)                                   \
  static inline type min(type a, type b) { return b < a ? b : a; }      \
  static inline type max(type a, type b) { return a < b ? b : a; }
SIM_MINIMUM_AND_MAXIMUM(int)
SIM_MINIMUM_AND_MAXIMUM(unsigned)
SIM_MINIMUM_AND_MAXIMUM(long long)
SIM_MINIMUM_AND_MAXIMUM(unsigned long long)
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
extern "C" int abs(int) noexcept;
static inline long long abs(long long x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return fabsf(x); }
static inline double abs(double x) { return fabs(x); }

// Intrinsics that round to nearest are the operators; the fast ones have an error that nobody may rely on.
#define SIM_ROUNDED(name, type, result) static inline type name(type a, type b) { return result; }
SIM_ROUNDED(__fadd_rn, float, a + b)
SIM_ROUNDED(__fsub_rn, float, a - b)
SIM_ROUNDED(__fmul_rn, float, a *b)
SIM_ROUNDED(__fdiv_rn, float, a / b)
SIM_ROUNDED(__fdividef, float, a / b)
SIM_ROUNDED(__dadd_rn, double, a + b)
SIM_ROUNDED(__dsub_rn, double, a - b)
SIM_ROUNDED(__dmul_rn, double, a *b)
SIM_ROUNDED(__ddiv_rn, double, a / b)
SIM_ROUNDED(__powf, float, powf(a, b))
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline double __dsqrt_rn(double x) { return sqrt(x); }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float __expf(float x) { return expf(x); }
static inline float __logf(float x) { return logf(x); }
static inline float __log2f(float x) { return log2f(x); }
static inline float __sinf(float x) { return sinf(x); }
static inline float __cosf(float x) { return cosf(x); }
static inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }

// ---- Loads and stores that say how long the caches shall keep them

template <class Value> static inline Value __ldg(const Value *address) { return *address; }
template <class Value> static inline Value __ldcg(const Value *address) { return *address; }
template <class Value> static inline Value __ldcs(const Value *address) { return *address; }
template <class Value> static inline void __stcg(Value *address, Value value) { *address = value; }
template <class Value> static inline void __stcs(Value *address, Value value) { *address = value; }

// ---- Vectors

#define SIM_VECTORS(name, type, two, four)                                                                       \
  struct name##1 { type x; };                                                                                    \
  struct __attribute__((aligned(two))) name##2 { type x, y; };                                                   \
  struct name##3 { type x, y, z; };                                                                              \
  struct __attribute__((aligned(four))) name##4 { type x, y, z, w; };                                            \
  static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                        \
  static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                             \
  static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
SIM_VECTORS(char, signed char, 2, 4)
SIM_VECTORS(uchar, unsigned char, 2, 4)
SIM_VECTORS(short, short, 4, 8)
SIM_VECTORS(ushort, unsigned short, 4, 8)
SIM_VECTORS(int, int, 8, 16)
SIM_VECTORS(uint, unsigned, 8, 16)
SIM_VECTORS(longlong, long long, 16, 16)
SIM_VECTORS(ulonglong, unsigned long long, 16, 16)
SIM_VECTORS(float, float, 8, 16)
SIM_VECTORS(double, double, 16, 16)
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// ---- The table of kernels

template <class Parameter> constexpr bool simIsPointer = false;
template <class Target> constexpr bool simIsPointer<Target *> = true;
template <class Target> constexpr bool simIsPointer<Target *const> = true;
template <class Target> constexpr bool simIsPointer<Target *__restrict__> = true;

template <unsigned... numbers> struct SimNumbers {};
template <unsigned count, unsigned... numbers> struct SimNumbersTo : SimNumbersTo<count - 1, count - 1, numbers...> {};
template <unsigned... numbers> struct SimNumbersTo<0, numbers...> {
  typedef SimNumbers<numbers...> Type;
};

template <auto function> struct SimEntry;
template <class... Parameters, void (*function)(Parameters...)> struct SimEntry<function> {
  static constexpr unsigned count = sizeof...(Parameters);
  static constexpr SimParameter parameters[] = {{sizeof(Parameters), alignof(Parameters), simIsPointer<Parameters>}..., {}};
  __attribute__((no_sanitize("thread"))) static void call(void *const *arguments) {
    spread(arguments, typename SimNumbersTo<count>::Type());
  }
  template <unsigned... numbers>
  __attribute__((no_sanitize("thread"))) static void spread(void *const *arguments, SimNumbers<numbers...>) {
    function(*(Parameters *)arguments[numbers]...);
  }
};

// The linker defines the bounds of sections whose names are identifiers; a kernel without shared memory has none.
#define SIM_SHARED_BOUNDS(kernel)                                                                            \
  extern "C" __attribute__((weak, visibility("hidden"))) char __start_sim_shared_##kernel[], __stop_sim_shared_##kernel[];
#define SIM_KERNEL(kernel, threads)                                                                          \
  {                                                                                                          \
    #kernel, SimEntry<kernel>::call, SimEntry<kernel>::parameters, SimEntry<kernel>::count, __start_sim_shared_##kernel, \
        __stop_sim_shared_##kernel, (threads)                                                                \
  }
#define SIM_TABLE extern "C" __attribute__((visibility("default"))) const SimKernel simKernels[]
