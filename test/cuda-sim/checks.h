// Checks of every access that a kernel makes: whether the memory is there, holds something, is aligned, and is accessed by one thread at
// a time unless a barrier lies between. For them kernels are compiled for thread and undefined-behaviour sanitisers, whose functions are
// implemented here; without checks nothing calls them, and nothing here costs anything.
//
// For each byte there is a shadow: its state, the last write and the last read. Accesses are dated with intervals: a new one begins with
// each block and at each barrier. Two accesses conflict if one writes, not both are atomic, and they are by threads of one block in one
// interval or by different blocks of one launch. Within a warp, __syncwarp counts as well. What another block did before a fence and an
// atomic operation may be used after an atomic operation on the same address.
#pragma once
#include <cstddef>
#include <cstdint>

namespace simulator::checks {

// Takes or leaves the memory for shadows. False if the system does not give it.
bool enable(bool wanted);
bool enabled();

// What happens to memory outside of kernels.
void allocated(uintptr_t address, size_t bytes, bool holdsValues);
void released(uintptr_t address, size_t bytes);
void initialised(uintptr_t address, size_t bytes);
void copied(uintptr_t to, uintptr_t from, size_t bytes);

// What orders accesses within kernels.
void beginLaunch();
void beginBlock();
void barrier();
void warpBarrier(unsigned warp);

} // namespace simulator::checks
