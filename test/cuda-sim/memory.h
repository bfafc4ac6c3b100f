// The memory of the simulated devices, and pinned host memory: one reserved range of addresses, in which every allocation has pages of
// its own and pages without access on both sides. An allocation ends, but for its alignment, where its last page ends, so that an
// overrun faults; the bytes between are a canary. Addresses are not used again until all have been used, so that a use after free
// faults as well. Fresh memory is 0xff throughout: NaN as any floating-point number, -1 as any integer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace simulator {

enum class Kind { device, host };

struct Allocation {
  uintptr_t address;
  size_t bytes;
  Kind kind;
  int owner; // The number of the device in whose context it was made.
  uint64_t serial;

  uintptr_t end() const { return address + bytes; }
};

class Memory {
public:
  static constexpr size_t range = size_t(1) << 37;

  // Takes the range of addresses, once. False if the system does not give it.
  bool reserve();
  uintptr_t begin() const { return begin_; }
  bool contains(uintptr_t address) const { return address - begin_ < range; }

  // Null where the system has no memory left.
  const Allocation *allocate(Kind kind, size_t bytes, int owner);
  // False where no such allocation begins there.
  bool release(uintptr_t address, Kind kind);
  void releaseAll(int owner);

  // The live allocation that holds all these bytes.
  const Allocation *holding(uintptr_t address, size_t bytes) const;
  bool holdsDevice(uintptr_t address, size_t bytes) const;
  // Bytes of live device memory, as they are charged.
  size_t used(int owner) const;
  size_t count(Kind kind) const;

  // A live allocation beside which something has been written, or null. It is mended, so that one mistake is found once.
  const Allocation *overwritten();
  // Where an address lies, for people: a byte of an allocation, or how far from which it is.
  std::string describe(uintptr_t address) const;

private:
  uintptr_t begin_ = 0, next_ = 0;
  uint64_t serial_ = 0;
  std::map<uintptr_t, Allocation> live_;  // By address.
  std::map<uintptr_t, Allocation> freed_; // The latest, for `describe`.

  uintptr_t place(size_t pages);
  void retire(const Allocation &allocation);
};

extern Memory memory;

std::string nameOf(const Allocation &allocation);

constexpr size_t roundUp(size_t value, size_t to) { return (value + to - 1) / to * to; }

// What device memory of that many bytes is charged as.
size_t chargeOf(size_t bytes);

} // namespace simulator
