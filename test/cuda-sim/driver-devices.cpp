// The driver's entry points for devices, contexts and errors, and those by which tests steer the simulator.
#include "context.h"
#include "cublas.h"
#include "memory.h"

namespace simulator {
namespace {

const std::map<int, int> fixedAttributes = {
    {1, maximumThreads},             // MAX_THREADS_PER_BLOCK
    {2, 1024}, {3, 1024}, {4, 64},   // MAX_BLOCK_DIM
    {5, 2147483647}, {6, 65535}, {7, 65535}, // MAX_GRID_DIM
    {8, maximumStaticBytes},         // MAX_SHARED_MEMORY_PER_BLOCK
    {9, 64 << 10},                   // TOTAL_CONSTANT_MEMORY
    {10, 32},                        // WARP_SIZE
    {11, 2147483647},                // MAX_PITCH
    {12, registersOfMultiprocessor}, // MAX_REGISTERS_PER_BLOCK
    {13, 1000000},                   // CLOCK_RATE, kHz
    {15, 1}, {31, 1}, {40, 2},       // GPU_OVERLAP, CONCURRENT_KERNELS, ASYNC_ENGINE_COUNT
    {17, 0}, {18, 0}, {20, 0},       // KERNEL_EXEC_TIMEOUT, INTEGRATED, COMPUTE_MODE
    {19, 1}, {41, 1}, {83, 0},       // CAN_MAP_HOST_MEMORY, UNIFIED_ADDRESSING, MANAGED_MEMORY
    {32, 0}, {33, 1}, {34, 0}, {50, 0}, // ECC_ENABLED, PCI_BUS_ID, PCI_DEVICE_ID, PCI_DOMAIN_ID
    {36, 1000000}, {37, 256},        // MEMORY_CLOCK_RATE, GLOBAL_MEMORY_BUS_WIDTH
    {38, 4 << 20},                   // L2_CACHE_SIZE
    {39, threadsOfMultiprocessor},   // MAX_THREADS_PER_MULTIPROCESSOR
    {81, sharedOfMultiprocessor},    // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
    {82, registersOfMultiprocessor}, // MAX_REGISTERS_PER_MULTIPROCESSOR
    {95, 0}, {115, 0},               // COOPERATIVE_LAUNCH, MEMORY_POOLS_SUPPORTED
    {97, int(maximumDynamicBytes)},  // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    {106, blocksOfMultiprocessor},   // MAX_BLOCKS_PER_MULTIPROCESSOR
    {111, reservedShared},           // RESERVED_SHARED_MEMORY_PER_BLOCK
};

Result attributeOf(int *out, int attribute) {
  const long architecture = numberSetting("architecture");
  if (attribute == 75) return give(out, architecture / 10);
  if (attribute == 76) return give(out, architecture % 10);
  if (attribute == 16) return give(out, numberSetting("multiprocessors"));
  const auto found = fixedAttributes.find(attribute);
  return found == fixedAttributes.end() ? INVALID_VALUE : give(out, found->second);
}

} // namespace

SIMULATOR_EXPORT Result cuInit(unsigned flags) {
  return call(__func__, [&] {
    if (flags != 0) return INVALID_VALUE;
    if (numberSetting("devices") < 1) return NO_DEVICE;
    initialised = true;
    return SUCCESS;
  });
}

SIMULATOR_EXPORT Result cuDriverGetVersion(int *version) {
  return call(__func__, [&] { return give(version, versionSetting("driver")); });
}

SIMULATOR_EXPORT Result cuDeviceGetCount(int *count) {
  return onceInitialised(__func__, [&] { return give(count, numberSetting("devices")); });
}

SIMULATOR_EXPORT Result cuDeviceGet(int *device, int ordinal) {
  return ofDevice(__func__, ordinal, [&] { return give(device, ordinal); });
}

SIMULATOR_EXPORT Result cuDeviceGetName(char *name, int length, int device) {
  return ofDevice(__func__, device, [&] {
    if (name == nullptr || length < 1) return INVALID_VALUE;
    const std::string text = "Simulated device " + std::to_string(device);
    name[text.copy(name, static_cast<size_t>(length) - 1)] = '\0';
    return SUCCESS;
  });
}

SIMULATOR_EXPORT Result cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
  return ofDevice(__func__, device, [&] {
    for (int at = 0; at < 16; at++) uuid[at] = static_cast<unsigned char>(at == 15 ? device : 0x5a);
    return SUCCESS;
  });
}

SIMULATOR_EXPORT Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  return ofDevice(__func__, device, [&] { return attributeOf(value, attribute); });
}

SIMULATOR_EXPORT Result cuDeviceTotalMem_v2(size_t *bytes, int device) {
  return ofDevice(__func__, device, [&] { return give(bytes, totalBytes()); });
}

SIMULATOR_EXPORT Result cuDevicePrimaryCtxRetain(void **context, int device) {
  return ofDevice(__func__, device, [&] { return retain(device, context); });
}

SIMULATOR_EXPORT Result cuDevicePrimaryCtxRelease_v2(int device) {
  return ofDevice(__func__, device, [&] {
    Context &context = contexts[device];
    if (context.retained == 0) return INVALID_CONTEXT;
    if (context.retained == 1) destroy(context);
    else context.retained--;
    return SUCCESS;
  });
}

SIMULATOR_EXPORT Result cuDevicePrimaryCtxReset_v2(int device) {
  return ofDevice(__func__, device, [&] {
    destroy(contexts[device]);
    return SUCCESS;
  });
}

SIMULATOR_EXPORT Result cuCtxSetCurrent(void *context) {
  return onceInitialised(__func__, [&] { return makeCurrent(context); });
}

SIMULATOR_EXPORT Result cuCtxGetCurrent(void **context) {
  return onceInitialised(__func__, [&] { return give(context, currentContext()); });
}

SIMULATOR_EXPORT Result cuCtxGetDevice(int *device) {
  return inContext(__func__, [&](Context &context) { return give(device, context.device); });
}

SIMULATOR_EXPORT Result cuCtxSynchronize() {
  return inContext(__func__, [](Context &context) { return context.streams.waitForAll(); });
}

// ---- Errors

SIMULATOR_EXPORT Result cuGetErrorName(int code, const char **name) {
  switch (code) {
#define NAME_ROW(value, row, text) \
  case value: return give(name, value == 0 ? "CUDA_SUCCESS" : "CUDA_ERROR_" #row);
    CUDA_RESULTS(NAME_ROW)
#undef NAME_ROW
  default: return *name = nullptr, INVALID_VALUE;
  }
}

// Where queued work has failed, the report follows: it says which kernel, thread and line.
SIMULATOR_EXPORT Result cuGetErrorString(int code, const char **text) {
  static std::map<int, std::string> texts; // They stay where they are.
  switch (code) {
#define TEXT_ROW(value, row, words) \
  case value: texts[value] = words; break;
    CUDA_RESULTS(TEXT_ROW)
#undef TEXT_ROW
  default: return *text = nullptr, INVALID_VALUE;
  }
  const Context *const context = currentContext();
  if (code != SUCCESS && context != nullptr && context->streams.failed() == code) texts[code] += ": " + lastReport();
  return give(text, texts[code].c_str());
}

// ---- The control entry points of tests

// As if the library had just been loaded: contexts and all in them are gone, settings are those of the environment.
SIMULATOR_EXPORT void simReset() {
  const std::lock_guard<std::recursive_mutex> lock(driverMutex);
  for (auto &[device, context] : contexts) destroy(context);
  blas::forgetHandles();
  initialised = false;
  resetSettings();
}

// How many there are of `memory`, `pinned`, `streams`, `events`, `modules` or handles of `cublas`, over all contexts; -1 for other words.
SIMULATOR_EXPORT int64_t simLive(const char *kind) {
  const std::lock_guard<std::recursive_mutex> lock(driverMutex);
  const std::string what = kind;
  if (what == "memory") return static_cast<int64_t>(memory.count(Kind::device));
  if (what == "pinned") return static_cast<int64_t>(memory.count(Kind::host));
  if (what == "cublas") return static_cast<int64_t>(blas::liveHandles());
  int64_t count = 0;
  for (const auto &[device, context] : contexts) {
    if (what == "streams") count += static_cast<int64_t>(context.streams.count());
    else if (what == "events") count += static_cast<int64_t>(context.events.size());
    else if (what == "modules") count += static_cast<int64_t>(context.modules.size());
    else return -1;
  }
  return count;
}

} // namespace simulator
