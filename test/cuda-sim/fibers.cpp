// Fibers: switching, stacks, barriers and warp operations. See fibers.h.
#include "fibers.h"
#include "checks.h"
#include "execute.h"
#include <algorithm>
#include <cstring>
#include <sys/mman.h>

static_assert(sizeof(void *) == 8, "fibers are switched by code for x86-64");

// Saves what a call has to preserve, and the stack's place, and goes on where the other was saved.
extern "C" void simSwitch(void **save, void *to);
asm(R"(
.text
.type simSwitch, @function
.hidden simSwitch
simSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

namespace simulator {

Block block;
Thread *running;

namespace {

constexpr size_t stackBytes = 64 << 10, guardBytes = 4096;

std::vector<char *> stacks; // All there are,
std::vector<char *> spare;  // and those that no thread has.
void *scheduler;            // Where runBlock goes on.
const SimKernel *kernelRun;
void *const *argumentsRun;
unsigned barrierSum; // Of the predicates at the last barrier.

char *takeStack() {
  if (spare.empty()) {
    void *const made = mmap(nullptr, guardBytes + stackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) return nullptr;
    mprotect(made, guardBytes, PROT_NONE);
    stacks.push_back(static_cast<char *>(made) + guardBytes);
    spare.push_back(stacks.back());
  }
  char *const stack = spare.back();
  spare.pop_back();
  return stack;
}

void toScheduler(State state) {
  running->state = state;
  simSwitch(&running->stackPointer, scheduler);
}

void runThread() {
  kernelRun->call(argumentsRun);
  toScheduler(State::ended);
}

// A stack on which a switch goes to `runThread` with the alignment that a call leaves.
void prepare(Thread &thread, char *stack) {
  void **top = reinterpret_cast<void **>(stack + stackBytes) - 1;
  *top = nullptr;
  *--top = reinterpret_cast<void *>(&runThread);
  thread.stack = stack;
  thread.stackPointer = top - 6;
}

void resume(Thread &thread) {
  running = &thread;
  thread.state = State::ready;
  simSwitch(&scheduler, thread.stackPointer);
  running = nullptr;
  if (thread.state != State::ended) return;
  spare.push_back(thread.stack);
  thread.stack = nullptr;
}

// ---- Barriers

std::string waiting(const Thread &thread) {
  const std::string name = "thread " + nameOf(thread.index);
  if (thread.state == State::ended) return name + " has ended";
  if (thread.state == State::atBarrier) return name + " waits at the barrier of line " + std::to_string(thread.line);
  char mask[16];
  std::snprintf(mask, sizeof mask, "0x%08x", thread.mask);
  return name + " waits for the lanes " + mask + " in line " + std::to_string(thread.line);
}

// Nobody can go on: names one thread of each group that waits for something of its own.
std::string stuckThreads() {
  std::vector<const Thread *> groups;
  for (const Thread &thread : block.threads) {
    const bool known = std::any_of(groups.begin(), groups.end(), [&](const Thread *other) {
      return other->state == thread.state && (thread.state == State::ended || (other->line == thread.line && other->mask == thread.mask));
    });
    if (!known) groups.push_back(&thread);
  }
  std::string text = "threads wait for each other:";
  for (size_t at = 0; at < groups.size() && at < 8; at++) text += (at == 0 ? " " : "; ") + waiting(*groups[at]);
  return text;
}

// Lets all go on if all wait at one barrier.
bool releaseBarrier() {
  unsigned sum = 0;
  for (const Thread &thread : block.threads) {
    if (thread.state != State::atBarrier || thread.line != block.threads[0].line) return false;
    sum += thread.value != 0;
  }
  barrierSum = sum;
  for (Thread &thread : block.threads) thread.state = State::ready;
  checks::barrier();
  return true;
}

// ---- Operations of a warp

unsigned ballotOf(unsigned mask, const Thread *at) {
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < warpLanes; lane++)
    if (mask >> lane & 1) ballot |= unsigned(at[lane].value != 0) << lane;
  return ballot;
}

unsigned lanesWith(uint64_t value, unsigned mask, const Thread *at) {
  unsigned found = 0;
  for (unsigned lane = 0; lane < warpLanes; lane++)
    if (mask >> lane & 1) found |= unsigned(at[lane].value == value) << lane;
  return found;
}

// What a lane gets, of the values of all. `at` is the warp's first thread.
uint64_t answerOf(const Thread &thread, const Thread *at) {
  const int lane = static_cast<int>(thread.lane()), first = lane & ~(thread.width - 1), last = first + thread.width - 1;
  const auto from = [&](int source) {
    if (source < first || source > last) return thread.value;
    return thread.mask >> source & 1 ? at[source].value : ~uint64_t(0); // Nothing says what comes from a lane that takes no part.
  };
  switch (thread.operation) {
  case simSync: return 0;
  case simShuffleIndex: return from(first + (thread.parameter & (thread.width - 1)));
  case simShuffleUp: return from(lane - thread.parameter);
  case simShuffleDown: return from(lane + thread.parameter);
  case simShuffleXor: return from(lane ^ thread.parameter);
  case simBallot: return ballotOf(thread.mask, at);
  case simAll: return ballotOf(thread.mask, at) == thread.mask;
  case simAny: return ballotOf(thread.mask, at) != 0;
  case simMatch: return lanesWith(thread.value, thread.mask, at);
  }
  return 0;
}

// Whether that lane is there and waits in the very operation of `thread`.
bool takesPart(const Thread &other, const Thread &thread) {
  return &other <= &block.threads.back() && other.state == State::inWarp && other.mask == thread.mask && other.line == thread.line && other.operation == thread.operation;
}

// The last lane to come answers all. Until then, or for ever, the others wait.
bool completeWarp(Thread &thread) {
  Thread *const at = &thread - thread.lane();
  for (unsigned lane = 0; lane < warpLanes; lane++)
    if ((thread.mask >> lane & 1) && lane != thread.lane() && !takesPart(at[lane], thread)) return false;
  for (unsigned lane = 0; lane < warpLanes; lane++)
    if (thread.mask >> lane & 1) at[lane].answer = answerOf(at[lane], at);
  for (unsigned lane = 0; lane < warpLanes; lane++)
    if (thread.mask >> lane & 1) at[lane].state = State::ready;
  if (thread.operation == simSync) checks::warpBarrier(thread.warp());
  return true;
}

unsigned presentLanes(const Thread &thread) {
  unsigned lanes = 0;
  for (const Thread &other : block.threads)
    if (other.warp() == thread.warp() && other.state != State::ended) lanes |= 1u << other.lane();
  return lanes;
}

} // namespace

std::string nameOf(const SimIndex &index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

bool onRunningStack(uintptr_t address) {
  return running != nullptr && address - reinterpret_cast<uintptr_t>(running->stack) < stackBytes;
}

bool belowRunningStack(uintptr_t address) {
  return running != nullptr && reinterpret_cast<uintptr_t>(running->stack) - address <= guardBytes;
}

void abandonBlock() {
  running = nullptr;
  spare = stacks;
}

bool runBlock(const SimKernel &kernel, void *const *arguments, const std::vector<unsigned> &order, std::string &stuck) {
  kernelRun = &kernel;
  argumentsRun = arguments;
  for (Thread &thread : block.threads) {
    thread.state = State::fresh;
    thread.fenced = false;
  }
  size_t left = order.size();
  while (left > 0) {
    bool moved = false;
    for (const unsigned number : order) {
      Thread &thread = block.threads[number];
      if (thread.state == State::fresh) {
        char *const stack = takeStack();
        if (stack == nullptr) {
          stuck = "there is no memory for the stacks of threads";
          return false;
        }
        prepare(thread, stack);
      } else if (thread.state != State::ready)
        continue;
      moved = true;
      resume(thread);
      if (thread.state == State::ended) left--;
    }
    if (!moved && !releaseBarrier()) {
      stuck = stuckThreads();
      return false;
    }
    stopIfExpired();
  }
  return true;
}

// ---- What kernels call

SIMULATOR_EXPORT SimIndex simThreadIndex() { return running->index; }
SIMULATOR_EXPORT SimIndex simBlockIndex() { return block.index; }
SIMULATOR_EXPORT SimIndex simBlockSize() { return block.blockSize; }
SIMULATOR_EXPORT SimIndex simGridSize() { return block.gridSize; }

// Gives in how many threads the predicate holds.
SIMULATOR_EXPORT unsigned simBarrier(unsigned line, int predicate) {
  running->line = line;
  running->mask = 0;
  running->value = predicate != 0;
  toScheduler(State::atBarrier);
  return barrierSum;
}

SIMULATOR_EXPORT uint64_t simWarp(unsigned line, SimWarpOperation operation, unsigned mask, uint64_t value, int parameter, int width) {
  Thread &thread = *running;
  if ((mask >> thread.lane() & 1) == 0)
    failThread(LAUNCH_FAILED, "the mask of a warp operation does not name the thread itself", line);
  thread.line = line;
  thread.operation = operation;
  thread.mask = mask;
  thread.value = value;
  thread.parameter = parameter;
  thread.width = width;
  if (!completeWarp(thread)) toScheduler(State::inWarp);
  return thread.answer;
}

SIMULATOR_EXPORT unsigned simActiveMask() { return presentLanes(*running); }

SIMULATOR_EXPORT void simFence() { running->fenced = true; }

SIMULATOR_EXPORT void simTrap(unsigned line) { failThread(LAUNCH_FAILED, "__trap was called", line); }

} // namespace simulator
