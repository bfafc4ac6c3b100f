// Guarded allocations by mmap and mprotect; see memory.h for what they catch.
#include "memory.h"
#include "checks.h"
#include <algorithm>
#include <cstring>
#include <sys/mman.h>

namespace simulator {
namespace {

constexpr size_t page = 4096, alignment = 256, rememberedFrees = 4096;
constexpr unsigned char poison = 0xff, canary = 0xfe;

uintptr_t pageOf(uintptr_t address) { return address / page * page; }

char *pointer(uintptr_t address) { return reinterpret_cast<char *>(address); }

// The canaries before and after an allocation; whole pages lie beyond them.
struct Margins {
  uintptr_t before, after;
  size_t beforeBytes, afterBytes;
};

Margins marginsOf(const Allocation &allocation) {
  const size_t before = std::min(size_t(allocation.address - pageOf(allocation.address)), alignment);
  return {allocation.address - before, allocation.end(), before, roundUp(allocation.end(), page) - allocation.end()};
}

bool isIntact(uintptr_t address, size_t bytes) {
  return std::all_of(pointer(address), pointer(address) + bytes, [](char byte) { return static_cast<unsigned char>(byte) == canary; });
}

void fillMargins(const Margins &margins) {
  std::memset(pointer(margins.before), canary, margins.beforeBytes);
  std::memset(pointer(margins.after), canary, margins.afterBytes);
}

const Allocation *lastAtOrBefore(const std::map<uintptr_t, Allocation> &allocations, uintptr_t address) {
  const auto after = allocations.upper_bound(address);
  return after == allocations.begin() ? nullptr : &std::prev(after)->second;
}

} // namespace

Memory memory;

std::string nameOf(const Allocation &allocation) {
  return std::string(allocation.kind == Kind::device ? "device" : "pinned host") + " memory of " + std::to_string(allocation.bytes) +
         " bytes (allocation " + std::to_string(allocation.serial) + ")";
}

size_t chargeOf(size_t bytes) { return roundUp(bytes, 512); }

bool Memory::reserve() {
  if (begin_ != 0) return true;
  void *const taken = mmap(nullptr, range, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (taken == MAP_FAILED) return false;
  begin_ = reinterpret_cast<uintptr_t>(taken);
  next_ = begin_ + page;
  return true;
}

// Finds room after what was placed last, from the beginning once the end is reached. One page stays free after each allocation.
uintptr_t Memory::place(size_t pages) {
  for (int rounds = 0; rounds < 2; rounds++) {
    for (auto following = live_.lower_bound(next_);; ++following) {
      const uintptr_t limit = following == live_.end() ? begin_ + range : pageOf(following->first);
      if (limit - next_ >= (pages + 1) * page) {
        const uintptr_t start = next_;
        next_ = start + (pages + 1) * page;
        return start;
      }
      if (following == live_.end()) break;
      next_ = roundUp(following->second.end(), page) + page;
    }
    next_ = begin_ + page;
  }
  return 0;
}

const Allocation *Memory::allocate(Kind kind, size_t bytes, int owner) {
  const size_t pages = roundUp(bytes, page) / page;
  const uintptr_t start = place(pages);
  if (start == 0) return nullptr;
  if (mprotect(pointer(start), pages * page, PROT_READ | PROT_WRITE) != 0) return nullptr;
  const uintptr_t address = (start + pages * page - bytes) / alignment * alignment;
  const Allocation made{address, bytes, kind, owner, ++serial_};
  std::memset(pointer(address), poison, bytes);
  fillMargins(marginsOf(made));
  checks::allocated(address, bytes, kind == Kind::host);
  return &(live_[address] = made);
}

void Memory::retire(const Allocation &allocation) {
  const uintptr_t start = pageOf(allocation.address);
  const size_t bytes = roundUp(allocation.end(), page) - start;
  // Mapping anew gives the pages back to the system.
  mmap(pointer(start), bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  checks::released(start, bytes);
  freed_[allocation.address] = allocation;
  if (freed_.size() > rememberedFrees) freed_.erase(freed_.begin());
}

bool Memory::release(uintptr_t address, Kind kind) {
  const auto found = live_.find(address);
  if (found == live_.end() || found->second.kind != kind) return false;
  retire(found->second);
  live_.erase(found);
  return true;
}

void Memory::releaseAll(int owner) {
  for (auto one = live_.begin(); one != live_.end();) {
    if (one->second.owner == owner) {
      retire(one->second);
      one = live_.erase(one);
    } else
      ++one;
  }
}

const Allocation *Memory::holding(uintptr_t address, size_t bytes) const {
  const Allocation *const allocation = lastAtOrBefore(live_, address);
  return allocation != nullptr && address + bytes >= address && address + bytes <= allocation->end() ? allocation : nullptr;
}

bool Memory::holdsDevice(uintptr_t address, size_t bytes) const {
  const Allocation *const allocation = holding(address, bytes);
  return allocation != nullptr && allocation->kind == Kind::device;
}

size_t Memory::used(int owner) const {
  size_t bytes = 0;
  for (const auto &[address, allocation] : live_)
    if (allocation.kind == Kind::device && allocation.owner == owner) bytes += chargeOf(allocation.bytes);
  return bytes;
}

size_t Memory::count(Kind kind) const {
  return static_cast<size_t>(std::count_if(live_.begin(), live_.end(), [&](const auto &one) { return one.second.kind == kind; }));
}

const Allocation *Memory::overwritten() {
  for (const auto &[address, allocation] : live_) {
    const Margins margins = marginsOf(allocation);
    if (isIntact(margins.before, margins.beforeBytes) && isIntact(margins.after, margins.afterBytes)) continue;
    fillMargins(margins);
    return &allocation;
  }
  return nullptr;
}

std::string Memory::describe(uintptr_t address) const {
  if (address < page) return "address " + std::to_string(address) + ", a null pointer";
  if (!contains(address)) return "memory that is neither the device's nor pinned";
  const auto byteOf = [&](const Allocation &allocation) {
    return "byte " + std::to_string(address - allocation.address) + " of " + nameOf(allocation);
  };
  if (const Allocation *const inside = holding(address, 1)) return byteOf(*inside);
  const Allocation *const before = lastAtOrBefore(live_, address);
  const Allocation *const freed = lastAtOrBefore(freed_, address);
  if (freed != nullptr && address < freed->end() && (before == nullptr || freed->address > before->address))
    return byteOf(*freed) + ", which was freed";
  const auto after = live_.upper_bound(address);
  if (after != live_.end() && (before == nullptr || after->first - address < address - before->end()))
    return std::to_string(after->first - address) + " bytes before " + nameOf(after->second);
  if (before != nullptr) return std::to_string(address - before->end()) + " bytes beyond the end of " + nameOf(*before);
  return "no allocation";
}

} // namespace simulator
