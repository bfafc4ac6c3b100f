// The state of contexts; see context.h.
#include "context.h"
#include "checks.h"
#include "memory.h"

namespace simulator {

std::recursive_mutex driverMutex;
bool initialised;
// Never destroyed, as modules cannot be unloaded while the process ends.
std::map<int, Context> &contexts = *new std::map<int, Context>;

namespace {

struct Current {
  Context *context = nullptr;
  uint64_t lifetime = 0;
};

thread_local Current current;
uint64_t lifetimes;

} // namespace

bool isDevice(int device) { return device >= 0 && device < numberSetting("devices"); }

size_t totalBytes() { return static_cast<size_t>(numberSetting("memory")); }

Context *currentContext() {
  const bool alive = current.context != nullptr && current.context->retained > 0 && current.context->lifetime == current.lifetime;
  return alive ? current.context : nullptr;
}

Result makeCurrent(void *context) {
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
}

Result retain(int device, void **out) {
  Context &context = contexts[device];
  if (context.retained == 0) {
    if (!memory.reserve() || !checks::enable(setting("checks") == "1")) return OUT_OF_MEMORY;
    context.device = device;
    context.lifetime = ++lifetimes;
  }
  context.retained++;
  return give(out, &context);
}

void destroy(Context &context) {
  context.streams.waitForAll();
  context.modules.clear();
  context.events.clear();
  context.streams = Streams();
  context.retained = 0;
  memory.releaseAll(context.device);
}

} // namespace simulator
