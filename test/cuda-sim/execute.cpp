// Launches, faults and the watchdog; see execute.h. A fault is a signal on the thread that runs a kernel: its handler jumps back to
// `execute`, which then says what happened. The watchdog is a timer of that thread's processor time, so that a busy machine makes no
// kernel fail.
#include "execute.h"
#include "checks.h"
#include "fibers.h"
#include "memory.h"
#include "modules.h"
#include "settings.h"
#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <numeric>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

extern "C" {
__attribute__((visibility("default"), aligned(4096))) char simDynamicShared[simulator::maximumDynamicBytes + 4096];
}

namespace simulator {
namespace {

// What ended a launch before its end.
struct Failure {
  Result code = SUCCESS;
  std::string what;
  unsigned line = 0;
  const void *address = nullptr; // Of the code.
  int signal = 0;
  uintptr_t accessed = 0; // By a fault.
};

const Launch *launched;
Failure failure;
sigjmp_buf escape;
volatile sig_atomic_t inKernel, expired;
pid_t executor; // The system's number of the thread that runs kernels.

// ---- Faults

constexpr int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
struct sigaction before[std::size(faults)];
char handlerStack[64 << 10];

pid_t threadNumber() { return static_cast<pid_t>(syscall(SYS_gettid)); }

void passOn(int signal, siginfo_t *information, void *context) {
  for (size_t at = 0; at < std::size(faults); at++) {
    if (faults[at] != signal) continue;
    const struct sigaction &handler = before[at];
    if (handler.sa_flags & SA_SIGINFO) return handler.sa_sigaction(signal, information, context);
    if (handler.sa_handler != SIG_DFL && handler.sa_handler != SIG_IGN) return handler.sa_handler(signal);
    sigaction(signal, &handler, nullptr); // It happens again, and ends the process as it would have.
  }
}

const void *codeAddressIn(void *context) {
  return reinterpret_cast<const void *>(static_cast<ucontext_t *>(context)->uc_mcontext.gregs[REG_RIP]);
}

void onFault(int signal, siginfo_t *information, void *context) {
  if (!inKernel || threadNumber() != executor) return passOn(signal, information, context);
  failure.signal = signal;
  failure.accessed = reinterpret_cast<uintptr_t>(information->si_addr);
  failure.address = codeAddressIn(context);
  siglongjmp(escape, 1);
}

// Sets the handlers for as long as a kernel runs, on a stack of their own: that of the kernel may be what overflowed.
class FaultHandlers {
public:
  FaultHandlers() {
    stack_t stack{};
    stack.ss_sp = handlerStack;
    stack.ss_size = sizeof handlerStack;
    sigaltstack(&stack, &stackBefore_);
    struct sigaction handler{};
    handler.sa_sigaction = onFault;
    handler.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (size_t at = 0; at < std::size(faults); at++) sigaction(faults[at], &handler, &before[at]);
  }
  ~FaultHandlers() {
    for (size_t at = 0; at < std::size(faults); at++) sigaction(faults[at], &before[at], nullptr);
    sigaltstack(&stackBefore_, nullptr);
  }

private:
  stack_t stackBefore_{};
};

void explainFault() {
  failure.code = LAUNCH_FAILED;
  if (failure.signal == SIGFPE) failure.what = "divides an integer by zero, or the least one by -1";
  else if (failure.signal == SIGILL) failure.what = "runs an illegal instruction";
  else if (belowRunningStack(failure.accessed)) failure.what = "needs more than its 64 KiB of stack";
  else {
    failure.code = ILLEGAL_ADDRESS;
    // The processor names no address where one is not canonical or not aligned as an instruction wants it.
    failure.what = failure.accessed == 0 ? "accesses null, or an address that is misaligned or none"
                                         : "accesses what it may not: " + memory.describe(failure.accessed);
  }
}

// After a jump out of a kernel: checks have said what happened, a signal or the watchdog has not.
void explainJump() {
  if (failure.signal != 0) return explainFault();
  if (failure.code != SUCCESS) return;
  failure.code = LAUNCH_TIMEOUT;
  failure.what = "runs for longer than the watchdog allows";
}

// ---- Watchdog

constexpr int watchdogSignal = 40; // One of the real-time signals, which neither Node nor the C library uses.

void onExpiry(int, siginfo_t *, void *context) {
  if (!inKernel || threadNumber() != executor) return;
  expired = 1;
  // Elsewhere, as in the scheduler, there may be locks: stopIfExpired comes soon, or the timer again.
  const void *const address = codeAddressIn(context);
  if (!inRunningModule(reinterpret_cast<uintptr_t>(address))) return;
  failure.address = address;
  siglongjmp(escape, 1);
}

class Watchdog {
public:
  Watchdog() {
    const long milliseconds = numberSetting("watchdog");
    if (milliseconds <= 0) return;
    struct sigaction handler{};
    handler.sa_sigaction = onExpiry;
    handler.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigaction(watchdogSignal, &handler, &handlerBefore_);
    struct sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = watchdogSignal;
    event._sigev_un._tid = executor;
    armed_ = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer_) == 0;
    if (!armed_) return;
    const struct itimerspec time{{0, 1000000}, {milliseconds / 1000, milliseconds % 1000 * 1000000}};
    timer_settime(timer_, 0, &time, nullptr);
  }
  ~Watchdog() {
    if (!armed_) return;
    timer_delete(timer_);
    sigaction(watchdogSignal, &handlerBefore_, nullptr);
  }

private:
  bool armed_ = false;
  timer_t timer_{};
  struct sigaction handlerBefore_{};
};

// ---- Orders

uint64_t nextRandom(uint64_t &state) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

// Puts numbers from 0 in the order that the setting says.
class Order {
public:
  Order() : name_(setting("order")) {
    const size_t colon = name_.find(':');
    if (colon != std::string::npos) random_ ^= std::strtoull(name_.c_str() + colon + 1, nullptr, 10) * 0x2545f4914f6cdd1dull;
    if (random_ == 0) random_ = 1;
  }
  bool shuffles() const { return name_.compare(0, 7, "shuffle") == 0; }
  void arrange(std::vector<unsigned> &numbers, size_t count) {
    numbers.resize(count);
    std::iota(numbers.begin(), numbers.end(), 0u);
    if (name_ == "reverse") std::reverse(numbers.begin(), numbers.end());
    if (!shuffles()) return;
    for (size_t at = count; at > 1; at--) std::swap(numbers[at - 1], numbers[nextRandom(random_) % at]);
  }

private:
  std::string name_;
  uint64_t random_ = 0x9e3779b97f4a7c15ull;
};

// ---- Blocks

size_t countOf(const SimIndex &size) { return size_t(size.x) * size.y * size.z; }

SimIndex indexAt(size_t number, const SimIndex &size) {
  return {unsigned(number % size.x), unsigned(number / size.x % size.y), unsigned(number / size.x / size.y)};
}

void setUp(const Launch &launch) {
  block.gridSize = launch.gridSize;
  block.blockSize = launch.blockSize;
  block.dynamicBytes = launch.dynamicBytes;
  block.threads.resize(countOf(launch.blockSize));
  for (size_t number = 0; number < block.threads.size(); number++) {
    block.threads[number].index = indexAt(number, launch.blockSize);
    block.threads[number].number = static_cast<unsigned>(number);
  }
}

void runBlocks(const Launch &launch, void *const *arguments) {
  static std::vector<unsigned> blocks, threads; // Kept, as a jump may leave this function.
  Order order;
  order.arrange(blocks, countOf(launch.gridSize));
  order.arrange(threads, block.threads.size());
  for (const unsigned number : blocks) {
    block.number = number;
    block.index = indexAt(number, launch.gridSize);
    std::memset(reinterpret_cast<void *>(staticSharedBegin()), 0xff, staticSharedBytes());
    std::memset(simDynamicShared, 0xff, launch.dynamicBytes);
    checks::beginBlock();
    if (order.shuffles()) order.arrange(threads, block.threads.size());
    if (!runBlock(*launch.kernel, arguments, threads, failure.what)) {
      failure.code = LAUNCH_FAILED;
      return;
    }
  }
}

// Pointers among the arguments have to be addresses of live memory. Those within structs are not known here.
bool argumentsAreAlive(const Launch &launch) {
  for (unsigned at = 0; at < launch.kernel->parameterCount; at++) {
    if (!launch.kernel->parameters[at].pointer) continue;
    uintptr_t address;
    std::memcpy(&address, launch.arguments.data() + launch.offsets[at], sizeof address);
    if (address == 0 || memory.holding(address, 0) != nullptr) continue;
    failure.code = ILLEGAL_ADDRESS;
    failure.what = "argument " + std::to_string(at + 1) + " points to " + memory.describe(address);
    return false;
  }
  return true;
}

// Runs all blocks. Gives the thread that was to blame where one was.
const Thread *runGuarded(const Launch &launch) {
  std::vector<void *> arguments;
  for (const size_t offset : launch.offsets) arguments.push_back(const_cast<char *>(launch.arguments.data()) + offset);
  executor = threadNumber();
  expired = 0;
  checks::beginLaunch();
  const FaultHandlers handlers;
  const Watchdog watchdog;
  if (sigsetjmp(escape, 1) == 0) {
    inKernel = 1;
    runBlocks(launch, arguments.data());
    inKernel = 0;
    abandonBlock();
    return nullptr;
  }
  inKernel = 0;
  explainJump();
  const Thread *const culprit = running;
  abandonBlock();
  return culprit;
}

// Without checks, what guard pages do not catch shows afterwards.
void findOverwritten() {
  if (failure.code != SUCCESS || checks::enabled()) return;
  const Allocation *const harmed = memory.overwritten();
  if (harmed == nullptr) return;
  failure.code = ILLEGAL_ADDRESS;
  failure.what = "has written beside " + nameOf(*harmed);
}

std::string explain(const Launch &launch, const Thread *thread, const SimIndex &blockIndex) {
  std::string text = std::string("kernel ") + launch.kernel->name;
  if (thread != nullptr) text += ", block " + nameOf(blockIndex) + ", thread " + nameOf(thread->index);
  const std::string line =
      failure.line != 0 ? "line " + std::to_string(failure.line) : launch.module->lineOf(failure.address);
  if (!line.empty()) text += ", " + line;
  return text + ": " + failure.what;
}

} // namespace

bool inRunningModule(uintptr_t address) { return launched != nullptr && launched->module->contains(address); }

uintptr_t staticSharedBegin() { return reinterpret_cast<uintptr_t>(launched->kernel->sharedBegin); }
size_t staticSharedBytes() { return static_cast<size_t>(launched->kernel->sharedEnd - launched->kernel->sharedBegin); }

void failThread(Result code, const std::string &what, unsigned line, const void *address) {
  failure.code = code;
  failure.what = what;
  failure.line = line;
  failure.address = address;
  siglongjmp(escape, 1);
}

void stopIfExpired() {
  if (expired) siglongjmp(escape, 1);
}

Result execute(const Launch &launch) {
  failure = {};
  launched = &launch;
  const Thread *culprit = nullptr;
  if (const int code = injectedFailure("kernel")) {
    failure.code = static_cast<Result>(code);
    failure.what = "an injected failure";
  } else if (setUp(launch); argumentsAreAlive(launch)) {
    culprit = runGuarded(launch);
    findOverwritten();
  }
  if (failure.code != SUCCESS) report(explain(launch, culprit, block.index));
  launched = nullptr;
  return failure.code;
}

} // namespace simulator
