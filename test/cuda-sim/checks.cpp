// The shadow memory, and the functions that sanitisers make code call; see checks.h for the rules.
#include "checks.h"
#include "execute.h"
#include "fibers.h"
#include "memory.h"
#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <sys/mman.h>
#include <vector>

namespace simulator::checks {
namespace {

enum ByteState : uint8_t { absent, empty, holding };
enum class Access { read, write, atomic };

// Who accessed a byte, and when. Several readers are one record: of one warp as its number from severalLanes on, else severalWarps.
struct Record {
  uint64_t interval : 36, epoch : 16, thread : 11, atomic : 1;
};
static_assert(sizeof(Record) == 8);
constexpr unsigned severalLanes = maximumThreadNumber, severalWarps = severalLanes + maximumThreadNumber / warpLanes;

// The shadow of a range of addresses. What lies in shared memory belongs to one block.
struct Shadow {
  uintptr_t begin;
  size_t bytes;
  ByteState *states;
  Record *writes, *reads;
  bool ofBlock;
  size_t used = 0; // How much of shared memory a block has had since it was absent.

  bool contains(uintptr_t address) const { return address - begin < bytes; }
};

Shadow global, staticShared, dynamicShared;
bool on;

// Intervals, from 1. Records of earlier ones stay where they are and mean nothing any more.
uint64_t now, launchBegan, blockBegan;
uint16_t epochs[maximumThreadNumber / warpLanes]; // Of each warp in this interval: how often it has met at __syncwarp.

struct BlockStart {
  uint64_t interval;
  unsigned number;
};
std::vector<BlockStart> blockStarts; // Of this launch.

// A block that ran a fence and then an atomic operation: what it did until then may be known to who meets it there.
struct Release {
  uint64_t began, until;
};
std::map<uintptr_t, std::vector<Release>> releases; // By the address of the operation, in the blocks' order.
// Those whose operations this block has met.
struct Met {
  const std::vector<Release> *releases;
  size_t count;
};
std::vector<Met> met;

template <class Element> Element *reserve(size_t count) {
  void *const taken =
      mmap(nullptr, count * sizeof(Element), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return taken == MAP_FAILED ? nullptr : static_cast<Element *>(taken);
}

bool make(Shadow &shadow, uintptr_t begin, size_t bytes, bool ofBlock) {
  if (shadow.states == nullptr)
    shadow = {begin, bytes, reserve<ByteState>(bytes), reserve<Record>(bytes), reserve<Record>(bytes), ofBlock};
  return shadow.states != nullptr && shadow.writes != nullptr && shadow.reads != nullptr;
}

void set(Shadow &shadow, uintptr_t address, size_t bytes, ByteState state) {
  std::memset(shadow.states + (address - shadow.begin), state, bytes);
}

// The shared memory of a block that begins.
void setShared(Shadow &shadow, size_t bytes) {
  set(shadow, shadow.begin, shadow.used, absent);
  set(shadow, shadow.begin, bytes, empty);
  shadow.used = bytes;
}

// ---- Conflicts

bool isOfOtherBlock(const Record &past) { return past.interval >= launchBegan && past.interval < blockBegan; }

// Whether this block has met the other one after that.
bool wasReleased(const Record &past) {
  return std::any_of(met.begin(), met.end(), [&](const Met &one) {
    const auto end = one.releases->begin() + static_cast<ptrdiff_t>(one.count);
    const auto after = std::upper_bound(one.releases->begin(), end, past.interval,
                                        [](uint64_t interval, const Release &release) { return interval < release.began; });
    return after != one.releases->begin() && past.interval <= std::prev(after)->until;
  });
}

bool isOfWarp(const Record &past, unsigned warp) {
  return past.thread < severalLanes ? past.thread / warpLanes == warp : past.thread - severalLanes == warp;
}

// Whether an access now comes without order after that one.
bool conflicts(const Record &past, const Shadow &shadow, bool atomic) {
  if (past.interval < launchBegan || (past.atomic && atomic)) return false;
  if (isOfOtherBlock(past)) return !shadow.ofBlock && !wasReleased(past);
  if (past.interval != now || past.thread == running->number) return false;
  const unsigned warp = running->warp();
  return !isOfWarp(past, warp) || past.epoch == epochs[warp];
}

Record recordNow(bool atomic) { return {now, epochs[running->warp()], running->number, atomic}; }

// A read by another block is kept: it conflicts with every write from now on, as that of this thread would.
void noteRead(Record &past, const Shadow &shadow) {
  if (!shadow.ofBlock && isOfOtherBlock(past)) return;
  const bool shared = past.interval == now && past.thread != running->number;
  const unsigned warp = running->warp();
  const bool same = isOfWarp(past, warp);
  if (shared && same && past.thread < severalLanes && past.epoch != epochs[warp]) past = recordNow(false);
  else if (shared) past = {now, epochs[warp], same ? severalLanes + warp : severalWarps, false};
  else past = recordNow(false);
}

// ---- Reports

std::string wordsFor(Access access) {
  return access == Access::read ? "reads" : access == Access::write ? "writes" : "changes atomically";
}

std::string describe(const Shadow &shadow, uintptr_t address) {
  if (!shadow.ofBlock) return memory.describe(address);
  return "byte " + std::to_string(address - shadow.begin) + " of " + (&shadow == &staticShared ? "static" : "dynamic") + " shared memory";
}

std::string describe(const Record &past) {
  if (isOfOtherBlock(past)) {
    const auto after = std::upper_bound(blockStarts.begin(), blockStarts.end(), past.interval,
                                        [](uint64_t interval, const BlockStart &start) { return interval < start.interval; });
    const unsigned number = std::prev(after)->number;
    const SimIndex &size = block.gridSize;
    return "block " + nameOf({number % size.x, number / size.x % size.y, number / size.x / size.y});
  }
  if (past.thread == severalWarps) return "several threads";
  if (past.thread >= severalLanes) return "several threads of warp " + std::to_string(past.thread - severalLanes);
  return "thread " + nameOf(block.threads[past.thread].index);
}

[[noreturn]] void failRace(const Record &past, const char *did, Access access, const Shadow &shadow, uintptr_t address, const void *code) {
  failThread(LAUNCH_FAILED, "a race: " + wordsFor(access) + " " + describe(shadow, address) + ", which " + describe(past) + " " + did +
                                ", with no barrier between",
             0, code);
}

std::string wordsFor(Access access, size_t bytes) { return wordsFor(access) + " " + std::to_string(bytes) + " bytes"; }

// ---- Accesses

void checkState(const Shadow &shadow, uintptr_t address, size_t bytes, Access access, const void *code) {
  const ByteState state = shadow.contains(address) ? shadow.states[address - shadow.begin] : absent;
  if (state == absent) failThread(ILLEGAL_ADDRESS, wordsFor(access, bytes) + ": " + describe(shadow, address), 0, code);
  if (state == empty && access != Access::write)
    failThread(LAUNCH_FAILED, wordsFor(access, bytes) + " that nothing was written to: " + describe(shadow, address), 0, code);
}

void follow(Shadow &shadow, uintptr_t address, size_t bytes, Access access, const void *code) {
  const bool atomic = access == Access::atomic;
  for (size_t byte = 0; byte < bytes; byte++) {
    const size_t at = address + byte - shadow.begin;
    if (at >= shadow.bytes || shadow.states[at] != holding) checkState(shadow, address + byte, bytes, access, code);
    if (conflicts(shadow.writes[at], shadow, atomic)) failRace(shadow.writes[at], "has written", access, shadow, address + byte, code);
    if (access == Access::read) {
      noteRead(shadow.reads[at], shadow);
      continue;
    }
    if (conflicts(shadow.reads[at], shadow, false)) failRace(shadow.reads[at], "has read", access, shadow, address + byte, code);
    shadow.writes[at] = recordNow(atomic);
    shadow.states[at] = holding;
  }
}

// `alignment` is 1 where the compiler knows of none.
void check(uintptr_t address, size_t bytes, size_t alignment, Access access, const void *returnAddress) {
  if (!on || running == nullptr || onRunningStack(address)) return;
  const void *const code = static_cast<const char *>(returnAddress) - 1;
  if (address % alignment != 0)
    failThread(MISALIGNED_ADDRESS, wordsFor(access, bytes) + " that are misaligned: " + memory.describe(address), 0, code);
  for (Shadow *shadow : {&global, &dynamicShared, &staticShared})
    if (shadow->contains(address)) return follow(*shadow, address, bytes, access, code);
  if (!inRunningModule(address))
    failThread(ILLEGAL_ADDRESS, wordsFor(access, bytes) + ": " + memory.describe(address), 0, code);
}

// A thread that has run a fence tells what its block did; every thread learns what was told there.
void meet(uintptr_t address) {
  std::vector<Release> &there = releases[address];
  if (running->fenced) {
    if (!there.empty() && there.back().began == blockBegan) there.back().until = now;
    else there.push_back({blockBegan, now});
  }
  const auto known = std::find_if(met.begin(), met.end(), [&](const Met &one) { return one.releases == &there; });
  if (known == met.end()) met.push_back({&there, there.size()});
  else known->count = there.size();
}

} // namespace

bool enable(bool wanted) {
  on = wanted;
  return !wanted || (make(global, memory.begin(), Memory::range, false) && make(staticShared, 0, 64 << 10, true) &&
                     make(dynamicShared, reinterpret_cast<uintptr_t>(simDynamicShared), maximumDynamicBytes + 4096, true));
}

bool enabled() { return on; }

void allocated(uintptr_t address, size_t bytes, bool holdsValues) {
  if (on) set(global, address, bytes, holdsValues ? holding : empty);
}

// Whole pages; their shadows go back to the system and read as absent and without records from now on.
void released(uintptr_t address, size_t bytes) {
  if (!on) return;
  const size_t at = address - global.begin;
  madvise(global.states + at, bytes, MADV_DONTNEED);
  madvise(global.writes + at, bytes * sizeof(Record), MADV_DONTNEED);
  madvise(global.reads + at, bytes * sizeof(Record), MADV_DONTNEED);
}

void initialised(uintptr_t address, size_t bytes) {
  if (on) set(global, address, bytes, holding);
}

void copied(uintptr_t to, uintptr_t from, size_t bytes) {
  if (on) std::memmove(global.states + (to - global.begin), global.states + (from - global.begin), bytes);
}

void beginLaunch() {
  if (!on) return;
  launchBegan = now + 1;
  blockStarts.clear();
  releases.clear();
}

void beginBlock() {
  if (!on) return;
  barrier();
  blockBegan = now;
  blockStarts.push_back({now, block.number});
  met.clear();
  staticShared.begin = staticSharedBegin();
  setShared(staticShared, staticSharedBytes());
  setShared(dynamicShared, block.dynamicBytes);
}

void barrier() {
  if (!on) return;
  now++;
  std::fill(std::begin(epochs), std::end(epochs), uint16_t(0));
}

void warpBarrier(unsigned warp) { epochs[warp]++; }

// ---- What code that was compiled for the thread sanitiser calls

#define CHECKED(bytes)                                                                                                     \
  SIMULATOR_EXPORT void __tsan_read##bytes(void *at) {                                                                     \
    check(reinterpret_cast<uintptr_t>(at), bytes, bytes, Access::read, __builtin_return_address(0));                       \
  }                                                                                                                        \
  SIMULATOR_EXPORT void __tsan_write##bytes(void *at) {                                                                    \
    check(reinterpret_cast<uintptr_t>(at), bytes, bytes, Access::write, __builtin_return_address(0));                      \
  }                                                                                                                        \
  SIMULATOR_EXPORT void __tsan_unaligned_read##bytes(void *at) {                                                           \
    check(reinterpret_cast<uintptr_t>(at), bytes, 1, Access::read, __builtin_return_address(0));                           \
  }                                                                                                                        \
  SIMULATOR_EXPORT void __tsan_unaligned_write##bytes(void *at) {                                                          \
    check(reinterpret_cast<uintptr_t>(at), bytes, 1, Access::write, __builtin_return_address(0));                          \
  }
CHECKED(1)
CHECKED(2)
CHECKED(4)
CHECKED(8)
CHECKED(16)
#undef CHECKED

SIMULATOR_EXPORT void __tsan_read_range(void *at, size_t bytes) {
  check(reinterpret_cast<uintptr_t>(at), bytes, 1, Access::read, __builtin_return_address(0));
}
SIMULATOR_EXPORT void __tsan_write_range(void *at, size_t bytes) {
  check(reinterpret_cast<uintptr_t>(at), bytes, 1, Access::write, __builtin_return_address(0));
}
SIMULATOR_EXPORT void __tsan_init() {}

// ---- What atomic operations of kernel-prelude.h call, with checks or without

// The check is that of the store which follows: nothing runs between.
SIMULATOR_EXPORT uint64_t simAtomicLoad(const void *at, unsigned bytes) {
  const auto address = reinterpret_cast<uintptr_t>(at);
  check(address, bytes, bytes, Access::atomic, __builtin_return_address(0));
  if (on) meet(address);
  uint64_t value = 0;
  std::memcpy(&value, at, bytes);
  return value;
}

SIMULATOR_EXPORT void simAtomicStore(void *at, unsigned bytes, uint64_t value) { std::memcpy(at, &value, bytes); }

// ---- What code that was compiled for the undefined-behaviour sanitiser calls

// How each call's data begins.
struct Place {
  const char *file;
  unsigned line, column;
};

SIMULATOR_EXPORT void __ubsan_handle_out_of_bounds(Place *place, void *index) {
  failThread(ILLEGAL_ADDRESS, "index " + std::to_string(reinterpret_cast<intptr_t>(index)) + " is beyond the array", place->line);
}
SIMULATOR_EXPORT void __ubsan_handle_shift_out_of_bounds(Place *place, void *, void *) {
  failThread(LAUNCH_FAILED, "shifts by a negative number of bits or as many as there are", place->line);
}
SIMULATOR_EXPORT void __ubsan_handle_divrem_overflow(Place *place, void *, void *) {
  failThread(LAUNCH_FAILED, "divides an integer by zero, or the least one by -1", place->line);
}
SIMULATOR_EXPORT void __ubsan_handle_float_cast_overflow(Place *place, void *) {
  failThread(LAUNCH_FAILED, "converts a number that the integer type cannot hold", place->line);
}

} // namespace simulator::checks
