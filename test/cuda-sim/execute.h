// Runs a launch: its blocks one after another on the calling thread, in the order that the setting says. Faults of the kernel, checks
// that fail and the watchdog end the launch with a result code and a report that names kernel, block, thread and, where it is known, the
// line; the process goes on, and faults of others reach whoever handled them before. One launch runs at a time.
#pragma once
#include "abi.h"
#include "kernel-table.h"
#include <string>
#include <vector>

namespace simulator {

class Module;

struct Launch {
  const Module *module;
  const SimKernel *kernel;
  SimIndex gridSize, blockSize;
  unsigned dynamicBytes;
  std::vector<char> arguments; // As the kernel's parameters lie in its parameter space.
  std::vector<size_t> offsets; // Of each of them.
};

Result execute(const Launch &launch);

// The kernel's dynamic shared memory, at one place for all.
constexpr size_t maximumDynamicBytes = 227 << 10;
extern "C" char simDynamicShared[];

// Ends the launch from within a thread of the kernel. Where there is no line, the one of the code address is looked up.
[[noreturn]] void failThread(Result code, const std::string &what, unsigned line, const void *code_address = nullptr);
// Ends the launch if it has run for too long.
void stopIfExpired();

// Whether an address lies in the code or data of the module that runs.
bool inRunningModule(uintptr_t address);
// The bytes of static shared memory of the kernel that runs.
uintptr_t staticSharedBegin();
size_t staticSharedBytes();

} // namespace simulator
