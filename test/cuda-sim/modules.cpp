// Loading images, and what a launch has to fulfil; see modules.h.
#include "modules.h"
#include "checks.h"
#include "memory.h"
#include "settings.h"
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace simulator {
namespace {

// Why this device and driver do not run an image that is in order, or SUCCESS.
Result compatibilityOf(const ImageHeader &header) {
  const auto architecture = static_cast<uint32_t>(numberSetting("architecture"));
  const auto driver = static_cast<uint32_t>(versionSetting("driver"));
  if (header.isPtx) {
    if (driver < header.toolkit) return UNSUPPORTED_PTX_VERSION;
    return header.architecture <= architecture ? SUCCESS : NO_BINARY_FOR_GPU;
  }
  if (driver / 1000 < header.toolkit / 1000) return INVALID_IMAGE;
  const bool runs = header.architecture / 10 == architecture / 10 && header.architecture <= architecture;
  return runs ? SUCCESS : NO_BINARY_FOR_GPU;
}

bool writeAll(int file, const char *bytes, size_t count) {
  while (count > 0) {
    const ssize_t written = write(file, bytes, count);
    if (written <= 0) return false;
    bytes += written;
    count -= static_cast<size_t>(written);
  }
  return true;
}

// The bytes from the object's start to its last segment's end.
size_t extentOf(const link_map *object) {
  const auto *const header = reinterpret_cast<const ElfW(Ehdr) *>(object->l_addr);
  const auto *const segments = reinterpret_cast<const ElfW(Phdr) *>(object->l_addr + header->e_phoff);
  size_t end = 0;
  for (int at = 0; at < header->e_phnum; at++)
    if (segments[at].p_type == PT_LOAD) end = std::max(end, size_t(segments[at].p_vaddr + segments[at].p_memsz));
  return end;
}

std::string outputOf(const std::string &command) {
  std::string output;
  FILE *const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  char part[4096];
  while (const size_t count = fread(part, 1, sizeof part, pipe)) output.append(part, count);
  pclose(pipe);
  return output;
}

} // namespace

uint64_t hashOf(const void *bytes, size_t count) {
  uint64_t hash = 14695981039346656037ull;
  for (size_t at = 0; at < count; at++) hash = (hash ^ static_cast<const unsigned char *>(bytes)[at]) * 1099511628211ull;
  return hash;
}

Result Module::load(const void *image, std::unique_ptr<Module> &loaded) {
  std::unique_ptr<Module> module(new Module);
  ImageHeader &header = module->header_;
  const char *const bytes = static_cast<const char *>(image) + sizeof header;
  std::memcpy(header.magic, image, sizeof header.magic);
  if (std::memcmp(header.magic, imageMagic, sizeof imageMagic) != 0) return INVALID_IMAGE;
  std::memcpy(&header, image, sizeof header);
  if (header.bytes > size_t(1) << 30 || hashOf(bytes, header.bytes) != header.hash) return INVALID_IMAGE;
  if (const Result reason = compatibilityOf(header); reason != SUCCESS) return reason;
  if ((header.checked != 0) != checks::enabled()) {
    report(header.checked ? "a module was compiled with checks, but the context is without them"
                          : "a module was compiled without checks, but the context has them: was it in a cache?");
    return INVALID_IMAGE;
  }
  if (const Result problem = module->open(bytes, header.bytes); problem != SUCCESS) return problem;
  loaded = std::move(module);
  return SUCCESS;
}

Result Module::open(const char *bytes, size_t count) {
  file_ = memfd_create("cuda-sim-module", MFD_CLOEXEC);
  if (file_ < 0 || !writeAll(file_, bytes, count)) return OPERATING_SYSTEM;
  object_ = dlopen(("/proc/self/fd/" + std::to_string(file_)).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object_ == nullptr) {
    report(std::string("a module cannot be loaded: ") + dlerror());
    return INVALID_IMAGE;
  }
  begin_ = static_cast<const link_map *>(object_)->l_addr;
  size_ = extentOf(static_cast<const link_map *>(object_));
  const auto *kernel = static_cast<const SimKernel *>(dlsym(object_, "simKernels"));
  if (kernel == nullptr) return INVALID_IMAGE;
  for (; kernel->name != nullptr; kernel++) {
    Function function{this, kernel, 0};
    function.dynamicLimit = maximumStaticBytes - std::min(maximumStaticBytes, function.staticBytes());
    functions_.push_back(std::make_unique<Function>(function));
  }
  return SUCCESS;
}

Module::~Module() {
  if (object_ != nullptr) dlclose(object_);
  if (file_ >= 0) close(file_);
}

Function *Module::function(const std::string &name) {
  for (const auto &function : functions_)
    if (name == function->kernel->name) return function.get();
  return nullptr;
}

// addr2line gives, for code that was put in by inlining, one line for each function from the innermost out. The text of a user's
// program comes after a line directive that gives it a name of its own.
std::string Module::lineOf(const void *codeAddress) const {
  const auto address = reinterpret_cast<uintptr_t>(codeAddress);
  if (!contains(address)) return "";
  char command[160];
  std::snprintf(command, sizeof command, "addr2line -i -e /proc/%d/fd/%d 0x%zx 2>/dev/null", getpid(), file_, address - begin_);
  const std::string output = outputOf(command);
  for (size_t at = 0; at < output.size();) {
    const size_t end = std::min(output.find('\n', at), output.size());
    const std::string line = output.substr(at, end - at);
    const size_t colon = line.rfind(':');
    const bool isUsers = line.find("<simulator>") == std::string::npos && line.find("??") == std::string::npos;
    if (isUsers && colon != std::string::npos && line[colon + 1] != '?' && line[colon + 1] != '0')
      return "line " + std::to_string(std::atoi(line.c_str() + colon + 1));
    at = end + 1;
  }
  return "";
}

// ---- Launches

namespace {

bool exceeds(const SimIndex &size, const SimIndex &limit) {
  return size.x == 0 || size.y == 0 || size.z == 0 || size.x > limit.x || size.y > limit.y || size.z > limit.z;
}

Result refuse(const Function &function, const std::string &why) {
  report(std::string("the launch of ") + function.kernel->name + " is refused: " + why);
  return INVALID_VALUE;
}

// Where the parameters lie, as in a struct; the last is the end of all.
std::vector<size_t> offsetsOf(const SimKernel &kernel) {
  std::vector<size_t> offsets;
  size_t at = 0;
  for (unsigned index = 0; index < kernel.parameterCount; index++) {
    const SimParameter &parameter = kernel.parameters[index];
    at = roundUp(at, parameter.alignment);
    offsets.push_back(at);
    at += parameter.bytes;
  }
  offsets.push_back(at);
  return offsets;
}

// The buffer of arguments in the `extra` list. False if the list is not one.
bool readExtra(void **extra, const char *&buffer, size_t &bytes) {
  buffer = nullptr;
  bytes = 0;
  for (; reinterpret_cast<uintptr_t>(*extra) != launchEnd; extra += 2) {
    const auto key = reinterpret_cast<uintptr_t>(extra[0]);
    if (key == launchBuffer) buffer = static_cast<const char *>(extra[1]);
    else if (key == launchBufferBytes) bytes = *static_cast<const size_t *>(extra[1]);
    else return false;
  }
  return buffer != nullptr;
}

Result copyArguments(const Function &function, void **parameters, void **extra, Launch &launch) {
  const SimKernel &kernel = *function.kernel;
  std::vector<size_t> offsets = offsetsOf(kernel);
  const size_t end = offsets.back();
  offsets.pop_back();
  launch.arguments.resize(roundUp(std::max<size_t>(end, 1), 16));
  if (parameters != nullptr && extra != nullptr) return refuse(function, "it has kernelParams and extra");
  if (extra != nullptr) {
    const char *buffer;
    size_t bytes;
    if (!readExtra(extra, buffer, bytes)) return refuse(function, "its extra list is malformed");
    // A caller may hand over the padding at the end, as sizeof does.
    if (bytes < end || bytes > roundUp(end, 8))
      return refuse(function, "its arguments have " + std::to_string(bytes) + " bytes, not " + std::to_string(end));
    std::memcpy(launch.arguments.data(), buffer, end);
  } else if (kernel.parameterCount > 0) {
    if (parameters == nullptr) return refuse(function, "it has no arguments");
    for (unsigned at = 0; at < kernel.parameterCount; at++) {
      if (parameters[at] == nullptr) return refuse(function, "argument " + std::to_string(at + 1) + " is missing");
      std::memcpy(launch.arguments.data() + offsets[at], parameters[at], kernel.parameters[at].bytes);
    }
  }
  launch.offsets = std::move(offsets);
  return SUCCESS;
}

} // namespace

Result prepareLaunch(const Function &function, SimIndex gridSize, SimIndex blockSize, unsigned dynamicBytes, void **parameters,
                     void **extra, Launch &launch) {
  const SimKernel &kernel = *function.kernel;
  if (exceeds(gridSize, {2147483647, 65535, 65535}))
    return refuse(function, "its grid is empty or larger than 2147483647 x 65535 x 65535 blocks");
  if (exceeds(blockSize, {1024, 1024, 64})) return refuse(function, "its blocks are empty or larger than 1024 x 1024 x 64 threads");
  const size_t threads = size_t(blockSize.x) * blockSize.y * blockSize.z;
  if (threads > kernel.maximumThreads)
    return refuse(function, "its blocks have " + std::to_string(threads) + " threads, and no more than " +
                                std::to_string(kernel.maximumThreads) + " are possible");
  if (dynamicBytes > function.dynamicLimit)
    return refuse(function, "it asks for " + std::to_string(dynamicBytes) + " bytes of dynamic shared memory, and " +
                                std::to_string(function.dynamicLimit) + " are possible");
  launch.module = function.module;
  launch.kernel = function.kernel;
  launch.gridSize = gridSize;
  launch.blockSize = blockSize;
  launch.dynamicBytes = dynamicBytes;
  return copyArguments(function, parameters, extra, launch);
}

} // namespace simulator
