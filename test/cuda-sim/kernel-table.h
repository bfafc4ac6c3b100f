// What a compiled text tells the simulator of each of its kernels. Both sides include this: the simulator, and every kernel text, where
// nothing else is declared yet. The table is written by translate.cpp and filled in by templates of kernel-prelude.h.
#pragma once

struct SimParameter {
  unsigned bytes, alignment;
  bool pointer;
};

struct SimKernel {
  const char *name;
  // Calls the kernel for one thread, with the addresses of its arguments.
  void (*call)(void *const *arguments);
  const SimParameter *parameters;
  unsigned parameterCount;
  // Its static shared memory.
  char *sharedBegin, *sharedEnd;
  // As __launch_bounds__ says; 1024 if there is none.
  unsigned maximumThreads;
};

// Three numbers in two registers, so that asking for them reads no memory.
struct SimIndex {
  unsigned x, y, z;
};

// The operations of a warp. The order is that of the rows in fibers.cpp.
enum SimWarpOperation { simSync, simShuffleIndex, simShuffleUp, simShuffleDown, simShuffleXor, simBallot, simAll, simAny, simMatch };
