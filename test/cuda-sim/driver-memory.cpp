// The driver's entry points for memory: allocations, copies and fills.
#include "checks.h"
#include "context.h"
#include "memory.h"
#include <algorithm>
#include <cstring>

namespace simulator {
namespace {

const char *bytesAt(DevicePointer address) { return reinterpret_cast<const char *>(address); }

bool isPinned(const void *host, size_t bytes) {
  const Allocation *const allocation = memory.holding(reinterpret_cast<uintptr_t>(host), bytes);
  return allocation != nullptr && allocation->kind == Kind::host;
}

// A copy that was queued and finds its memory gone fails as a kernel does.
Result copyNow(void *to, const void *from, size_t bytes, DevicePointer device) {
  if (memory.holding(device, bytes) == nullptr) {
    report("a copy of " + std::to_string(bytes) + " bytes: " + memory.describe(device));
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
    const Result result = copyNow(reinterpret_cast<void *>(to), source, bytes, to);
    if (result == SUCCESS) checks::initialised(to, bytes);
    return result;
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

} // namespace

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

} // namespace simulator
