// Modules: what NVRTC hands out as a cubin or as PTX, loaded as a shared object, and the kernels in it. An image is complete in itself: a
// header, then the bytes of the shared object. Launches are checked here before they are queued.
#pragma once
#include "abi.h"
#include "execute.h"
#include <memory>
#include <string>
#include <vector>

namespace simulator {

struct ImageHeader {
  char magic[8];
  uint32_t isPtx;
  uint32_t architecture; // 90 for sm_90.
  uint32_t toolkit;      // The version of NVRTC.
  uint32_t checked;      // Whether it was compiled with checks.
  uint64_t bytes, hash;  // Of the shared object.
};

constexpr char imageMagic[8] = {'O', 'W', 'S', 'I', 'M', '0', '0', '1'};

uint64_t hashOf(const void *bytes, size_t count);

struct Function {
  const Module *module;
  const SimKernel *kernel;
  unsigned dynamicLimit; // Bytes of dynamic shared memory that a launch may ask for.

  unsigned staticBytes() const { return static_cast<unsigned>(kernel->sharedEnd - kernel->sharedBegin); }
};

class Module {
public:
  static Result load(const void *image, std::unique_ptr<Module> &loaded);
  ~Module();
  Module(const Module &) = delete;
  Module &operator=(const Module &) = delete;

  Function *function(const std::string &name);
  const std::vector<std::unique_ptr<Function>> &functions() const { return functions_; }
  const ImageHeader &header() const { return header_; }
  // Whether an address lies in its code or data.
  bool contains(uintptr_t address) const { return address - begin_ < size_; }
  // The line of the kernels' text that some code came from, as `line 12`; empty where that is not known.
  std::string lineOf(const void *codeAddress) const;

private:
  Module() = default;
  Result open(const char *bytes, size_t count);

  ImageHeader header_{};
  int file_ = -1; // Open as long as the module: its number is in the name under which the object was loaded.
  void *object_ = nullptr;
  uintptr_t begin_ = 0, size_ = 0;
  std::vector<std::unique_ptr<Function>> functions_;
};

// Limits of the devices.
constexpr unsigned maximumThreads = 1024, maximumStaticBytes = 48 << 10, threadsOfMultiprocessor = 2048, blocksOfMultiprocessor = 32,
                   sharedOfMultiprocessor = 228 << 10, registersOfMultiprocessor = 64 << 10, reservedShared = 1 << 10;

// Copies the arguments and checks everything that a driver checks before it takes a launch.
Result prepareLaunch(const Function &function, SimIndex gridSize, SimIndex blockSize, unsigned dynamicBytes, void **parameters,
                     void **extra, Launch &launch);

} // namespace simulator
