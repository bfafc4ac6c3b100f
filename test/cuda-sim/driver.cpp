// The entry points of the driver: which state a call needs, what it checks, and what it asks of the other files. Contexts are the
// devices' primary ones; which is current is known for each thread of the system. A failure of queued work is the result of the wait
// that finds it and of every call after it, until the context is reset.
#include "abi.h"
#include "checks.h"
#include "memory.h"
#include "modules.h"
#include "settings.h"
#include "streams.h"
#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

namespace simulator {
namespace {

struct Context {
  int device = 0;
  unsigned retained = 0;
  uint64_t lifetime = 0; // Each time that it is made anew.
  Streams streams;
  std::map<void *, std::unique_ptr<Event>> events;
  std::map<void *, std::unique_ptr<Module>> modules;
};

struct Current {
  Context *context = nullptr;
  uint64_t lifetime = 0;
};

std::recursive_mutex driverMutex; // A callback may call the driver.
bool initialised;
std::map<int, Context> contexts; // By device; each exists from its first use on.
uint64_t lifetimes;
thread_local Current current;

Context *currentContext() {
  const bool alive = current.context != nullptr && current.context->retained > 0 && current.context->lifetime == current.lifetime;
  return alive ? current.context : nullptr;
}

bool isDevice(int device) { return device >= 0 && device < numberSetting("devices"); }

// ---- What every call begins with. Bodies give a result code.

template <class Body> Result call(const char *name, Body body) {
  const std::lock_guard<std::recursive_mutex> lock(driverMutex);
  if (const int code = injectedFailure(name)) return static_cast<Result>(code);
  return body();
}

template <class Body> Result onceInitialised(const char *name, Body body) {
  return call(name, [&] { return initialised ? body() : NOT_INITIALIZED; });
}

template <class Body> Result ofDevice(const char *name, int device, Body body) {
  return onceInitialised(name, [&] { return isDevice(device) ? body() : INVALID_DEVICE; });
}

template <class Body> Result inContext(const char *name, Body body) {
  return onceInitialised(name, [&]() -> Result {
    Context *const context = currentContext();
    if (context == nullptr) return INVALID_CONTEXT;
    if (context->streams.failed() != SUCCESS) return context->streams.failed();
    return body(*context);
  });
}

template <class Body> Result onStream(const char *name, void *handle, Body body) {
  return inContext(name, [&](Context &context) -> Result {
    const std::shared_ptr<Stream> stream = context.streams.find(handle);
    return stream == nullptr ? INVALID_HANDLE : body(context, stream);
  });
}

template <class Body> Result ofEvent(const char *name, void *handle, Body body) {
  return inContext(name, [&](Context &context) -> Result {
    const auto found = context.events.find(handle);
    return found == context.events.end() ? INVALID_HANDLE : body(context, *found->second);
  });
}

template <class Body> Result ofFunction(const char *name, void *handle, Body body) {
  return inContext(name, [&](Context &context) -> Result {
    for (const auto &[key, module] : context.modules)
      for (const auto &function : module->functions())
        if (function.get() == handle) return body(context, *function);
    return INVALID_HANDLE;
  });
}

template <class Value, class Given> Result give(Value *out, Given value) {
  if (out == nullptr) return INVALID_VALUE;
  *out = static_cast<Value>(value);
  return SUCCESS;
}

// ---- Contexts

Result retain(int device, void **out) {
  Context &context = contexts[device];
  if (context.retained++ == 0) {
    if (!memory.reserve() || !checks::enable(setting("checks") == "1")) return OUT_OF_MEMORY;
    context.device = device;
    context.lifetime = ++lifetimes;
  }
  return give(out, &context);
}

// Everything that was made in it is gone; whoever has it current finds that it is no context any more.
void destroy(Context &context) {
  context.streams.waitForAll();
  context.modules.clear();
  context.events.clear();
  context.streams = Streams();
  context.retained = 0;
  memory.releaseAll(context.device);
}

// ---- Devices

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

size_t totalBytes() { return static_cast<size_t>(numberSetting("memory")); }

// ---- Copies

const char *bytesAt(DevicePointer address) { return reinterpret_cast<const char *>(address); }

bool isPinned(const void *host, size_t bytes) {
  const Allocation *const allocation = memory.holding(reinterpret_cast<uintptr_t>(host), bytes);
  return allocation != nullptr && allocation->kind == Kind::host;
}

// A copy that was queued and finds its memory gone fails as a kernel does.
Result copyNow(void *to, const void *from, size_t bytes, DevicePointer device) {
  if (memory.holding(device, bytes) == nullptr) {
    report("a copy of " + std::to_string(bytes) + " bytes accesses " + memory.describe(device));
    return ILLEGAL_ADDRESS;
  }
  std::memmove(to, from, bytes);
  return SUCCESS;
}

bool isRange(DevicePointer address, size_t bytes, const char *what) {
  if (bytes == 0 || memory.holding(address, bytes) != nullptr) return true;
  report(std::string(what) + " of " + std::to_string(bytes) + " bytes is refused: they are not all in one allocation, but begin in " +
         memory.describe(address));
  return false;
}

Result toDevice(Context &context, const std::shared_ptr<Stream> &stream, DevicePointer to, const void *from, size_t bytes) {
  if (!isRange(to, bytes, "a copy to the device")) return INVALID_VALUE;
  const auto copy = [to, bytes](const void *source) {
    checks::initialised(to, bytes);
    return copyNow(reinterpret_cast<void *>(to), source, bytes, to);
  };
  if (isPinned(from, bytes)) context.streams.queue(stream, [copy, from] { return copy(from); });
  else { // The driver takes a copy of memory that is not pinned before it returns.
    const auto *const source = static_cast<const char *>(from);
    context.streams.queue(stream, [copy, kept = std::vector<char>(source, source + bytes)] { return copy(kept.data()); });
  }
  return SUCCESS;
}

// Into memory that is not pinned, the copy is done when the call returns.
Result toHost(Context &context, const std::shared_ptr<Stream> &stream, void *to, DevicePointer from, size_t bytes) {
  if (!isRange(from, bytes, "a copy from the device")) return INVALID_VALUE;
  context.streams.queue(stream, [=] { return copyNow(to, bytesAt(from), bytes, from); });
  return isPinned(to, bytes) ? SUCCESS : context.streams.wait(stream);
}

Result withinDevice(Context &context, const std::shared_ptr<Stream> &stream, DevicePointer to, DevicePointer from, size_t bytes) {
  if (!isRange(to, bytes, "a copy") || !isRange(from, bytes, "a copy")) return INVALID_VALUE;
  context.streams.queue(stream, [=]() -> Result {
    if (const Result result = copyNow(reinterpret_cast<void *>(to), bytesAt(from), bytes, from); result != SUCCESS) return result;
    checks::copied(to, from, bytes);
    return SUCCESS;
  });
  return SUCCESS;
}

template <class Element>
Result fill(Context &context, const std::shared_ptr<Stream> &stream, DevicePointer to, Element value, size_t count) {
  if (!isRange(to, count * sizeof value, "a fill")) return INVALID_VALUE;
  context.streams.queue(stream, [=]() -> Result {
    if (memory.holding(to, count * sizeof value) == nullptr) return ILLEGAL_ADDRESS;
    std::fill_n(reinterpret_cast<Element *>(to), count, value);
    checks::initialised(to, count * sizeof value);
    return SUCCESS;
  });
  return SUCCESS;
}

Result allocateHost(Context &context, void **out, size_t bytes) {
  if (bytes == 0) return INVALID_VALUE;
  const Allocation *const made = memory.allocate(Kind::host, bytes, context.device);
  return made == nullptr ? OUT_OF_MEMORY : give(out, reinterpret_cast<void *>(made->address));
}

// ---- Occupancy

int blocksAtOnce(const Function &function, int threads, size_t dynamicBytes) {
  const size_t warps = static_cast<size_t>(threads + 31) / 32;
  const size_t shared = function.staticBytes() + dynamicBytes + reservedShared;
  return static_cast<int>(std::min({size_t(threadsOfMultiprocessor) / (warps * 32), size_t(sharedOfMultiprocessor) / shared,
                                    size_t(blocksOfMultiprocessor)}));
}

} // namespace

// ---- Driver, devices and contexts

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
  return onceInitialised(__func__, [&] {
    if (context == nullptr) {
      current = {};
      return SUCCESS;
    }
    for (auto &[device, known] : contexts)
      if (&known == context && known.retained > 0) {
        current = {&known, known.lifetime};
        return SUCCESS;
      }
    return INVALID_CONTEXT;
  });
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

// ---- Memory

SIMULATOR_EXPORT Result cuMemAlloc_v2(DevicePointer *address, size_t bytes) {
  return inContext(__func__, [&](Context &context) {
    if (bytes == 0) return INVALID_VALUE;
    if (memory.used(context.device) + chargeOf(bytes) > totalBytes()) return OUT_OF_MEMORY;
    const Allocation *const made = memory.allocate(Kind::device, bytes, context.device);
    return made == nullptr ? OUT_OF_MEMORY : give(address, made->address);
  });
}

// Waits for all work, as drivers do.
SIMULATOR_EXPORT Result cuMemFree_v2(DevicePointer address) {
  return inContext(__func__, [&](Context &context) {
    if (address == 0) return SUCCESS;
    if (const Result result = context.streams.waitForAll(); result != SUCCESS) return result;
    if (memory.release(address, Kind::device)) return SUCCESS;
    report("cuMemFree of what is no allocation: " + memory.describe(address));
    return INVALID_VALUE;
  });
}

SIMULATOR_EXPORT Result cuMemGetInfo_v2(size_t *available, size_t *total) {
  return inContext(__func__, [&](Context &context) {
    const size_t used = memory.used(context.device);
    give(total, totalBytes());
    return give(available, totalBytes() - std::min(used, totalBytes()));
  });
}

SIMULATOR_EXPORT Result cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  return inContext(__func__, [&](Context &context) { return allocateHost(context, address, bytes); });
}

SIMULATOR_EXPORT Result cuMemAllocHost_v2(void **address, size_t bytes) {
  return inContext(__func__, [&](Context &context) { return allocateHost(context, address, bytes); });
}

SIMULATOR_EXPORT Result cuMemFreeHost(void *address) {
  return inContext(__func__, [&](Context &context) {
    if (const Result result = context.streams.waitForAll(); result != SUCCESS) return result;
    return memory.release(reinterpret_cast<uintptr_t>(address), Kind::host) ? SUCCESS : INVALID_VALUE;
  });
}

SIMULATOR_EXPORT Result cuMemcpyHtoDAsync_v2(DevicePointer to, const void *from, size_t bytes, void *handle) {
  return onStream(__func__, handle, [&](Context &context, const auto &stream) { return toDevice(context, stream, to, from, bytes); });
}

SIMULATOR_EXPORT Result cuMemcpyDtoHAsync_v2(void *to, DevicePointer from, size_t bytes, void *handle) {
  return onStream(__func__, handle, [&](Context &context, const auto &stream) { return toHost(context, stream, to, from, bytes); });
}

SIMULATOR_EXPORT Result cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, size_t bytes, void *handle) {
  return onStream(__func__, handle, [&](Context &context, const auto &stream) { return withinDevice(context, stream, to, from, bytes); });
}

SIMULATOR_EXPORT Result cuMemcpyHtoD_v2(DevicePointer to, const void *from, size_t bytes) {
  return onStream(__func__, nullptr, [&](Context &context, const auto &stream) {
    const Result result = toDevice(context, stream, to, from, bytes);
    return result == SUCCESS ? context.streams.wait(stream) : result;
  });
}

SIMULATOR_EXPORT Result cuMemcpyDtoH_v2(void *to, DevicePointer from, size_t bytes) {
  return onStream(__func__, nullptr, [&](Context &context, const auto &stream) {
    const Result result = toHost(context, stream, to, from, bytes);
    return result == SUCCESS ? context.streams.wait(stream) : result;
  });
}

SIMULATOR_EXPORT Result cuMemsetD8Async(DevicePointer to, unsigned char value, size_t count, void *handle) {
  return onStream(__func__, handle, [&](Context &context, const auto &stream) { return fill(context, stream, to, value, count); });
}

SIMULATOR_EXPORT Result cuMemsetD32Async(DevicePointer to, unsigned value, size_t count, void *handle) {
  return onStream(__func__, handle, [&](Context &context, const auto &stream) {
    return to % sizeof value == 0 ? fill(context, stream, to, value, count) : INVALID_VALUE;
  });
}

// ---- Streams and events

SIMULATOR_EXPORT Result cuStreamCreate(void **stream, unsigned flags) {
  return inContext(__func__, [&](Context &context) {
    if (flags > streamNonBlocking) return INVALID_VALUE;
    return give(stream, context.streams.create(flags != streamNonBlocking));
  });
}

SIMULATOR_EXPORT Result cuStreamDestroy_v2(void *handle) {
  return inContext(__func__, [&](Context &context) { return context.streams.destroy(handle); });
}

SIMULATOR_EXPORT Result cuStreamSynchronize(void *handle) {
  return onStream(__func__, handle, [](Context &context, const auto &stream) { return context.streams.wait(stream); });
}

SIMULATOR_EXPORT Result cuStreamQuery(void *handle) {
  return onStream(__func__, handle, [](Context &context, const auto &stream) { return context.streams.query({stream, stream->queued}); });
}

SIMULATOR_EXPORT Result cuStreamWaitEvent(void *handle, void *eventHandle, unsigned) {
  return onStream(__func__, handle, [&](Context &context, const auto &stream) {
    const auto found = context.events.find(eventHandle);
    if (found == context.events.end()) return INVALID_HANDLE;
    if (found->second->recording != nullptr)
      context.streams.queue(stream, [] { return SUCCESS; }, {found->second->recording->point});
    return SUCCESS;
  });
}

SIMULATOR_EXPORT Result cuEventCreate(void **handle, unsigned flags) {
  return inContext(__func__, [&](Context &context) {
    auto event = std::make_unique<Event>(Event{(flags & eventDisableTiming) == 0, nullptr});
    void *const made = event.get();
    context.events[made] = std::move(event);
    return give(handle, made);
  });
}

SIMULATOR_EXPORT Result cuEventDestroy_v2(void *handle) {
  return inContext(__func__, [&](Context &context) { return context.events.erase(handle) == 1 ? SUCCESS : INVALID_HANDLE; });
}

SIMULATOR_EXPORT Result cuEventRecord(void *handle, void *streamHandle) {
  return onStream(__func__, streamHandle, [&](Context &context, const auto &stream) {
    const auto found = context.events.find(handle);
    if (found == context.events.end()) return INVALID_HANDLE;
    context.streams.record(*found->second, stream);
    return SUCCESS;
  });
}

// An event that was never recorded is done.
SIMULATOR_EXPORT Result cuEventSynchronize(void *handle) {
  return ofEvent(__func__, handle, [](Context &context, Event &event) {
    return event.recording == nullptr ? SUCCESS : context.streams.wait(event.recording->point);
  });
}

SIMULATOR_EXPORT Result cuEventQuery(void *handle) {
  return ofEvent(__func__, handle, [](Context &context, Event &event) {
    return event.recording == nullptr ? SUCCESS : context.streams.query(event.recording->point);
  });
}

SIMULATOR_EXPORT Result cuEventElapsedTime(float *milliseconds, void *startHandle, void *endHandle) {
  return ofEvent(__func__, startHandle, [&](Context &context, Event &start) {
    const auto found = context.events.find(endHandle);
    if (found == context.events.end()) return INVALID_HANDLE;
    const Event &end = *found->second;
    if (!start.timed || !end.timed || start.recording == nullptr || end.recording == nullptr) return INVALID_HANDLE;
    if (!context.streams.isDone(start.recording->point) || !context.streams.isDone(end.recording->point)) return NOT_READY;
    return give(milliseconds, end.recording->milliseconds - start.recording->milliseconds);
  });
}

SIMULATOR_EXPORT Result cuEventElapsedTime_v2(float *milliseconds, void *start, void *end) {
  return cuEventElapsedTime(milliseconds, start, end);
}

// ---- Modules and launches

SIMULATOR_EXPORT Result cuModuleLoadData(void **handle, const void *image) {
  return inContext(__func__, [&](Context &context) {
    if (image == nullptr) return INVALID_VALUE;
    std::unique_ptr<Module> module;
    if (const Result result = Module::load(image, module); result != SUCCESS) return result;
    void *const made = module.get();
    context.modules[made] = std::move(module);
    return give(handle, made);
  });
}

SIMULATOR_EXPORT Result cuModuleUnload(void *handle) {
  return inContext(__func__, [&](Context &context) {
    const auto found = context.modules.find(handle);
    if (found == context.modules.end()) return INVALID_HANDLE;
    const Result result = context.streams.waitForAll();
    context.modules.erase(found);
    return result;
  });
}

SIMULATOR_EXPORT Result cuModuleGetFunction(void **handle, void *module, const char *name) {
  return inContext(__func__, [&](Context &context) {
    const auto found = context.modules.find(module);
    if (found == context.modules.end()) return INVALID_HANDLE;
    Function *const function = found->second->function(name);
    return function == nullptr ? NOT_FOUND : give(handle, function);
  });
}

SIMULATOR_EXPORT Result cuFuncGetAttribute(int *value, int attribute, void *handle) {
  return ofFunction(__func__, handle, [&](Context &, Function &function) {
    const auto architecture = static_cast<int>(function.module->header().architecture);
    switch (attribute) {
    case functionMaximumThreads: return give(value, function.kernel->maximumThreads);
    case functionSharedBytes: return give(value, function.staticBytes());
    case functionRegisters: return give(value, 32);
    case functionPtxVersion:
    case functionBinaryVersion: return give(value, architecture);
    case functionMaximumDynamicShared: return give(value, function.dynamicLimit);
    case functionConstantBytes:
    case functionLocalBytes:
    case functionCacheMode: return give(value, 0);
    case functionSharedCarveout: return give(value, -1);
    default: return INVALID_VALUE;
    }
  });
}

SIMULATOR_EXPORT Result cuFuncSetAttribute(void *handle, int attribute, int value) {
  return ofFunction(__func__, handle, [&](Context &, Function &function) {
    if (attribute == functionSharedCarveout) return SUCCESS;
    const bool possible = value >= 0 && size_t(value) + function.staticBytes() <= maximumDynamicBytes;
    if (attribute != functionMaximumDynamicShared || !possible) return INVALID_VALUE;
    function.dynamicLimit = static_cast<unsigned>(value);
    return SUCCESS;
  });
}

SIMULATOR_EXPORT Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *handle, int threads, size_t dynamicBytes) {
  return ofFunction(__func__, handle, [&](Context &, Function &function) {
    if (threads < 1) return INVALID_VALUE;
    return give(blocks, threads > int(function.kernel->maximumThreads) ? 0 : blocksAtOnce(function, threads, dynamicBytes));
  });
}

SIMULATOR_EXPORT Result cuOccupancyMaxPotentialBlockSize(int *minimumGrid, int *blockSize, void *handle, size_t (*dynamicBytesOf)(int),
                                                         size_t dynamicBytes, int limit) {
  return ofFunction(__func__, handle, [&](Context &, Function &function) {
    const int most = static_cast<int>(function.kernel->maximumThreads);
    int best = 0, bestThreads = 0;
    for (int threads = limit > 0 ? std::min(limit, most) : most; threads > 0; threads = (threads - 1) / 32 * 32) {
      const int blocks = blocksAtOnce(function, threads, dynamicBytesOf == nullptr ? dynamicBytes : dynamicBytesOf(threads));
      if (blocks * threads <= bestThreads) continue;
      bestThreads = blocks * threads;
      best = threads;
    }
    give(minimumGrid, best == 0 ? 0 : bestThreads / best * numberSetting("multiprocessors"));
    return give(blockSize, best);
  });
}

SIMULATOR_EXPORT Result cuLaunchKernel(void *handle, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,
                                       unsigned blockZ, unsigned sharedBytes, void *streamHandle, void **parameters, void **extra) {
  return ofFunction(__func__, handle, [&](Context &context, Function &function) {
    const std::shared_ptr<Stream> stream = context.streams.find(streamHandle);
    if (stream == nullptr) return INVALID_HANDLE;
    Launch launch;
    const Result result =
        prepareLaunch(function, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, sharedBytes, parameters, extra, launch);
    if (result != SUCCESS) return result;
    context.streams.queue(stream, [launch = std::move(launch)] { return execute(launch); });
    return SUCCESS;
  });
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
  initialised = false;
  resetSettings();
}

// How many there are of `memory`, `pinned`, `streams`, `events` or `modules`, over all contexts; -1 for other words.
SIMULATOR_EXPORT int64_t simLive(const char *kind) {
  const std::lock_guard<std::recursive_mutex> lock(driverMutex);
  const std::string what = kind;
  if (what == "memory") return static_cast<int64_t>(memory.count(Kind::device));
  if (what == "pinned") return static_cast<int64_t>(memory.count(Kind::host));
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
