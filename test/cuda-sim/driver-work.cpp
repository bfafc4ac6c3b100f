// The driver's entry points for streams, events, modules and launches.
#include "context.h"
#include <algorithm>

namespace simulator {
namespace {

int blocksAtOnce(const Function &function, int threads, size_t dynamicBytes) {
  const size_t warps = static_cast<size_t>(threads + 31) / 32;
  const size_t shared = function.staticBytes() + dynamicBytes + reservedShared;
  return static_cast<int>(std::min({size_t(threadsOfMultiprocessor) / (warps * 32), size_t(sharedOfMultiprocessor) / shared,
                                    size_t(blocksOfMultiprocessor)}));
}

} // namespace

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

} // namespace simulator
