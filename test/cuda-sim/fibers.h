// One block of threads as fibers. A thread runs until it ends or has to wait, at a barrier or for other lanes of its warp; it takes a
// stack only when it begins and gives it back when it ends, so that threads that never wait all run on one. Threads are resumed in an
// order that the caller gives. Where no thread can go on, the block is stuck and what each waits for is the report. Runs on x86-64.
#pragma once
#include "abi.h"
#include "kernel-table.h"
#include <string>
#include <vector>

namespace simulator {

constexpr unsigned warpLanes = 32, maximumThreadNumber = 1024;

enum class State : uint8_t { fresh, ready, atBarrier, inWarp, ended };

struct Thread {
  SimIndex index;
  unsigned number;
  State state;
  bool fenced; // Whether it has run __threadfence in this block.
  void *stackPointer;
  char *stack; // Its lowest byte; null while it has none.
  unsigned line; // Of the barrier or warp operation where it waits.
  // The operation of its warp in which it takes part.
  SimWarpOperation operation;
  unsigned mask;
  uint64_t value;
  int parameter, width;
  uint64_t answer;

  unsigned lane() const { return number % warpLanes; }
  unsigned warp() const { return number / warpLanes; }
};

struct Block {
  SimIndex gridSize, blockSize, index;
  unsigned number; // In the grid.
  unsigned dynamicBytes;
  std::vector<Thread> threads;
};

// The block that is run, and its thread that is running.
extern Block block;
extern Thread *running;

// Runs the block's threads in that order, each calling `call(arguments)`. True if all ended; else `stuck` is the report.
// A thread may be left where it stands by a jump out of this function; `abandonBlock` then has to clean up.
bool runBlock(const SimKernel &kernel, void *const *arguments, const std::vector<unsigned> &order, std::string &stuck);
void abandonBlock();

// Whether an address lies on the stack of the thread that is running, or on the page below it.
bool onRunningStack(uintptr_t address);
bool belowRunningStack(uintptr_t address);

std::string nameOf(const SimIndex &index);

} // namespace simulator
