// The primary contexts of the devices, which of them is current on a thread of the system, and what every entry point of the driver begins
// with: it counts the call, lets an injected failure come first, and checks that there is what the call needs. A failure of queued work
// is the result of the wait that finds it and of every call after it, until the context is reset.
#pragma once
#include "abi.h"
#include "modules.h"
#include "settings.h"
#include "streams.h"
#include <map>
#include <memory>
#include <mutex>

namespace simulator {

struct Context {
  int device = 0;
  unsigned retained = 0;
  uint64_t lifetime = 0; // Each time that it is made anew.
  Streams streams;
  std::map<void *, std::unique_ptr<Event>> events;
  std::map<void *, std::unique_ptr<Module>> modules;
};

// One call at a time; a callback may call the driver.
extern std::recursive_mutex driverMutex;
extern bool initialised;
// By device; each exists from its first use on.
extern std::map<int, Context> &contexts;

bool isDevice(int device);
// Bytes of a device.
size_t totalBytes();

Context *currentContext(); // Null if there is none, or not any more.
Result makeCurrent(void *context);
Result retain(int device, void **out);
// Everything that was made in it is gone; whoever has it current finds that it is no context any more.
void destroy(Context &context);

// ---- The beginnings of entry points. Bodies give a result code.

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

} // namespace simulator
