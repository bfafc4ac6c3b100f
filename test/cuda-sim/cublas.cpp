// A stand-in for cuBLAS: the entry points for matrix products, computed element by element in double precision when the stream comes to
// them. It checks what the real one checks (handles, types, leading dimensions) and what it does not: that every element which is read or
// written lies in one live allocation.
#include "cublas.h"
#include "checks.h"
#include "context.h"
#include "memory.h"
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <string>

namespace simulator::blas {
namespace {

enum Status : int {
  STATUS_SUCCESS = 0,
  STATUS_NOT_INITIALIZED = 1,
  STATUS_INVALID_VALUE = 7,
  STATUS_EXECUTION_FAILED = 13,
  STATUS_NOT_SUPPORTED = 15,
};

// cudaDataType, cublasComputeType_t, cublasOperation_t, libraryPropertyType.
enum Type : int { FLOAT32 = 0, FLOAT64 = 1, FLOAT16 = 2, BFLOAT16 = 14 };
enum Compute : int { COMPUTE_FLOAT32 = 68, COMPUTE_FLOAT64 = 70, COMPUTE_TF32 = 77 };
enum Operation : int { AS_IT_LIES = 0, TRANSPOSED = 1 };
enum Property : int { MAJOR = 0, MINOR = 1 };

struct Handle {
  Context *context;
  uint64_t lifetime;
  void *stream = nullptr;
};

std::map<void *, std::unique_ptr<Handle>> handles;

template <class Body> int counted(const char *name, Body body) {
  const std::lock_guard<std::recursive_mutex> lock(driverMutex);
  if (const int code = injectedFailure(name)) return code;
  return body();
}

// A handle serves the context that was current when it was made, while that is current.
template <class Body> int ofHandle(const char *name, void *handle, Body body) {
  return counted(name, [&]() -> int {
    const auto found = handles.find(handle);
    if (found == handles.end()) return STATUS_NOT_INITIALIZED;
    Context *const context = currentContext();
    if (context != found->second->context || context->lifetime != found->second->lifetime) return STATUS_EXECUTION_FAILED;
    return body(*found->second);
  });
}

// ---- Elements

template <class Element> Element loaded(uintptr_t address) {
  Element element;
  std::memcpy(&element, reinterpret_cast<const void *>(address), sizeof element);
  return element;
}

template <class Element> void store(uintptr_t address, Element element) {
  std::memcpy(reinterpret_cast<void *>(address), &element, sizeof element);
}

size_t bytesOf(int type) { return type == FLOAT64 ? 8 : type == FLOAT32 ? 4 : 2; }

float asFloat(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

double read(int type, uintptr_t address) {
  switch (type) {
  case FLOAT64: return loaded<double>(address);
  case FLOAT32: return loaded<float>(address);
  case FLOAT16: return static_cast<double>(loaded<_Float16>(address));
  default: return asFloat(static_cast<uint32_t>(loaded<uint16_t>(address)) << 16);
  }
}

void write(int type, uintptr_t address, double value) {
  switch (type) {
  case FLOAT64: return store(address, value);
  case FLOAT32: return store(address, static_cast<float>(value));
  case FLOAT16: return store(address, static_cast<_Float16>(value));
  default: {
    const uint32_t bits = bitsOf(static_cast<float>(value));
    return store(address, static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16));
  }
  }
}

// What tensor cores take of a float32.
double roundedToTf32(double value) { return asFloat((bitsOf(static_cast<float>(value)) + 0x1000) & ~0x1fffu); }

// ---- Products

// A batch of matrices of elements by columns.
struct Matrices {
  uintptr_t address;
  int type;
  int64_t rows, columns, pitch, stride;

  uintptr_t at(int64_t batch, int64_t row, int64_t column) const {
    return address + static_cast<size_t>(batch * stride + column * pitch + row) * bytesOf(type);
  }
  bool isHeld(int64_t batches, const char *name) const {
    const size_t bytes = at(batches - 1, rows - 1, columns - 1) + bytesOf(type) - address;
    if (memory.holdsDevice(address, bytes)) return true;
    report(std::string("cuBLAS: operand ") + name + " of " + std::to_string(bytes) + " bytes begins in " + memory.describe(address));
    return false;
  }
};

struct Gemm {
  bool transposeA, transposeB, tf32;
  int64_t m, n, k, batches;
  double alpha, beta;
  Matrices a, b, c;

  Result run() const {
    if (!a.isHeld(batches, "A") || !b.isHeld(batches, "B") || !c.isHeld(batches, "C")) return ILLEGAL_ADDRESS;
    for (int64_t batch = 0; batch < batches; batch++)
      for (int64_t column = 0; column < n; column++)
        for (int64_t row = 0; row < m; row++) {
          double sum = 0;
          for (int64_t step = 0; step < k; step++) {
            const double left = read(a.type, transposeA ? a.at(batch, step, row) : a.at(batch, row, step));
            const double right = read(b.type, transposeB ? b.at(batch, column, step) : b.at(batch, step, column));
            sum += tf32 ? roundedToTf32(left) * roundedToTf32(right) : left * right;
          }
          const uintptr_t place = c.at(batch, row, column);
          write(c.type, place, alpha * sum + (beta == 0 ? 0 : beta * read(c.type, place)));
          checks::initialised(place, bytesOf(c.type));
        }
    return SUCCESS;
  }
};

bool isKnown(int type, int compute) {
  if (type == FLOAT64) return compute == COMPUTE_FLOAT64;
  if (type == FLOAT32) return compute == COMPUTE_FLOAT32 || compute == COMPUTE_TF32;
  return (type == FLOAT16 || type == BFLOAT16) && compute == COMPUTE_FLOAT32;
}

bool isOperation(int operation) { return operation == AS_IT_LIES || operation == TRANSPOSED; }

double scalarAt(const void *scalar, int compute) {
  return compute == COMPUTE_FLOAT64 ? *static_cast<const double *>(scalar) : *static_cast<const float *>(scalar);
}

} // namespace

size_t liveHandles() { return handles.size(); }
void forgetHandles() { handles.clear(); }

SIMULATOR_EXPORT int cublasGetProperty(int which, int *value) {
  return counted(__func__, [&]() -> int {
    const int version = versionSetting("cublas");
    if (which != MAJOR && which != MINOR) return STATUS_INVALID_VALUE;
    *value = which == MAJOR ? version / 1000 : version % 1000 / 10;
    return STATUS_SUCCESS;
  });
}

SIMULATOR_EXPORT int cublasCreate_v2(void **handle) {
  return counted(__func__, [&]() -> int {
    Context *const context = currentContext();
    if (context == nullptr) return STATUS_NOT_INITIALIZED;
    auto made = std::make_unique<Handle>(Handle{context, context->lifetime});
    *handle = made.get();
    handles.emplace(*handle, std::move(made));
    return STATUS_SUCCESS;
  });
}

SIMULATOR_EXPORT int cublasDestroy_v2(void *handle) {
  return ofHandle(__func__, handle, [&](Handle &) -> int {
    handles.erase(handle);
    return STATUS_SUCCESS;
  });
}

SIMULATOR_EXPORT int cublasSetStream_v2(void *handle, void *stream) {
  return ofHandle(__func__, handle, [&](Handle &known) -> int {
    known.stream = stream;
    return STATUS_SUCCESS;
  });
}

SIMULATOR_EXPORT int cublasGemmStridedBatchedEx(void *handle, int transposeA, int transposeB, int m, int n, int k, const void *alpha,
                                                uintptr_t a, int typeA, int pitchA, long long strideA, uintptr_t b, int typeB, int pitchB,
                                                long long strideB, const void *beta, uintptr_t c, int typeC, int pitchC,
                                                long long strideC, int batches, int compute, int) {
  return ofHandle(__func__, handle, [&](Handle &known) -> int {
    const bool turnA = transposeA == TRANSPOSED, turnB = transposeB == TRANSPOSED;
    if (!isOperation(transposeA) || !isOperation(transposeB) || m < 1 || n < 1 || k < 1 || batches < 1) return STATUS_INVALID_VALUE;
    if (typeA != typeB || typeA != typeC || !isKnown(typeA, compute)) return STATUS_NOT_SUPPORTED;
    if (pitchA < (turnA ? k : m) || pitchB < (turnB ? n : k) || pitchC < m) return STATUS_INVALID_VALUE;
    const std::shared_ptr<Stream> stream = known.context->streams.find(known.stream);
    if (stream == nullptr) return STATUS_INVALID_VALUE;
    const Gemm product{turnA, turnB, compute == COMPUTE_TF32, m, n, k, batches, scalarAt(alpha, compute), scalarAt(beta, compute),
                       {a, typeA, turnA ? k : m, turnA ? m : k, pitchA, strideA},
                       {b, typeB, turnB ? n : k, turnB ? k : n, pitchB, strideB},
                       {c, typeC, m, n, pitchC, strideC}};
    known.context->streams.queue(stream, [product] { return product.run(); });
    return STATUS_SUCCESS;
  });
}

} // namespace simulator::blas
