/**
 * The native tier's support library as C text: opening kernel libraries, calling kernels, and the threads that help with large
 * launches. It is compiled once for a machine and called through the FFI; kernels are called from C only, so that none needs a
 * binding of its own. What to compile, where to keep it and when to launch is decided elsewhere.
 *
 * A launch is cut into chunks that threads claim by counting up the low half of one word, the ticket; its high half says how many
 * chunks there are. Whoever claims a chunk by compare-and-swap may read the job, because a job changes only when all its chunks are
 * finished. That makes a claim right whatever the claimer saw before, and lets the caller finish a launch alone: it waits for chunks
 * that a worker has claimed, never for a worker that has yet to wake, start or be scheduled.
 *
 * The pool belongs to the process: JavaScript threads share it, each with a memory of its own. One launch at a time owns it; a second
 * runs on its own thread alone. Which thread runs an item never shows in results.
 */
export const hostSource = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

typedef int32_t i32;
typedef uint32_t u32;
typedef uint64_t u64;
typedef void Kernel(char *memory, u32 place, i32 begin, i32 end);

#define EXPORT __attribute__((visibility("default")))

/* ---- Libraries. Addresses are passed as double: exact below 2^53, as addresses are, and among the cheapest types to pass. ---- */

EXPORT double ow_open(const char *path) { return (double)(uintptr_t)dlopen(path, RTLD_NOW | RTLD_LOCAL); }

EXPORT double ow_symbol(double library, const char *name) {
  return (double)(uintptr_t)dlsym((void *)(uintptr_t)library, name);
}

/* Why ow_open or ow_symbol gave 0, on the same thread. */
EXPORT const char *ow_error(void) {
  const char *error = dlerror();
  return error ? error : "";
}

/* ---- The pool's state. What different threads write lies in different cache lines. ---- */

enum { MOST_THREADS = 1024, CHUNKS_PER_THREAD = 4, ALIGNMENT = 64, STACK_BYTES = 1 << 20, WOKEN_AT_ONCE = 2 };

/* A worker spins this long after a launch before it sleeps. On two virtual processors, a spinning worker begins its first chunk
   0.2 us after the launch; one that sleeps begins after about 20 us, and waking it costs the caller up to 12 us. Having spun a few
   times as long as that, a worker has not wasted much more than it might have saved, whenever the next launch comes. */
static const u64 WORKER_SPIN_NS = 100000;
/* The caller spins this long for the last chunks before it sleeps. */
static const u64 CALLER_SPIN_NS = 50000;

/* A ticket that claims nothing and sends workers home. */
static const u32 RETIRE = 0xffffffff;
/* Set in "finished" while the caller sleeps. */
static const u32 CALLER_SLEEPS = 0x80000000;

typedef struct {
  Kernel *kernel;
  char *memory;
  u32 place;
  i32 work, chunk;
} Job;

#define LINE _Alignas(128)

static LINE atomic_uint ticket;       /* chunks << 16 | next chunk */
static LINE atomic_uint finished;     /* chunks of the job that workers have finished */
static LINE atomic_uint sleepers;     /* workers that sleep or are about to */
static LINE atomic_uint calls;        /* what they sleep on; changes with each call to wake */
static LINE atomic_uintptr_t owner;   /* the thread whose launch the pool runs, or 0 */
static LINE atomic_int spinning;      /* whether every thread has a processor, so that spinning takes nothing from another */

/* The owner's alone; workers read the job. */
static LINE Job job;
static u32 own_chunks;                /* of this job: those that the owner has claimed */
static int avoided_processor = -1;    /* the one that workers are kept off */
static u32 workers;                   /* how many run */
static pthread_t worker_threads[MOST_THREADS];
static atomic_int threads = 1;        /* how many may take part, the caller included */
static atomic_uint handed_over;

/* ---- Waiting ---- */

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory"); /* yield does nothing on most cores */
#endif
}

static u64 now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (u64)time.tv_sec * 1000000000u + (u64)time.tv_nsec;
}

#ifdef __linux__
static void sleep_on(atomic_uint *word, u32 seen) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, 0, 0, 0); }

static void wake(atomic_uint *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0); }

static void forget_sleepers(void) {}
#else
static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sleep_changed = PTHREAD_COND_INITIALIZER;

static void sleep_on(atomic_uint *word, u32 seen) {
  pthread_mutex_lock(&sleep_lock);
  if (atomic_load(word) == seen) pthread_cond_wait(&sleep_changed, &sleep_lock);
  pthread_mutex_unlock(&sleep_lock);
}

static void wake(atomic_uint *word, int count) {
  (void)word, (void)count;
  pthread_mutex_lock(&sleep_lock);
  pthread_cond_broadcast(&sleep_changed);
  pthread_mutex_unlock(&sleep_lock);
}

/* What threads did with these that a fork left behind is not known. */
static void forget_sleepers(void) {
  sleep_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  sleep_changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}
#endif

/* ---- Chunks ---- */

static inline int is_open(u32 value) { return (value & 0xffff) < value >> 16; }

/* The number of a chunk that is now the calling thread's to run, or -1 if none is left. */
static i32 claim(void) {
  u32 value = atomic_load_explicit(&ticket, memory_order_acquire);
  while (is_open(value))
    if (atomic_compare_exchange_weak_explicit(&ticket, &value, value + 1, memory_order_acq_rel, memory_order_acquire))
      return (i32)(value & 0xffff);
  return -1;
}

static void run_chunk(const Job *of, i32 chunk) {
  i32 begin = chunk * of->chunk;
  i32 rest = of->work - begin;
  of->kernel(of->memory, of->place, begin, begin + (rest < of->chunk ? rest : of->chunk));
}

/* ---- Workers ---- */

static int may_spin(void) { return atomic_load_explicit(&spinning, memory_order_relaxed); }

static int has_news(void) {
  u32 value = atomic_load_explicit(&ticket, memory_order_relaxed);
  return is_open(value) || value == RETIRE;
}

static int spin_for_news(void) {
  if (!may_spin()) return has_news();
  u64 end = now_ns() + WORKER_SPIN_NS;
  do {
    for (int turn = 0; turn < 32; turn++) {
      if (has_news()) return 1;
      relax();
    }
  } while (now_ns() < end);
  return 0;
}

/* Sleeps until there may be news. Either the sleeper sees the ticket or whoever writes the ticket sees the sleeper: both orders are
   sequentially consistent. A call between the look and the sleep changes "calls", and the sleep ends at once. */
static void sleep_for_news(void) {
  u32 seen = atomic_load(&calls);
  atomic_fetch_add(&sleepers, 1);
  u32 value = atomic_load(&ticket);
  if (!is_open(value) && value != RETIRE) sleep_on(&calls, seen);
  atomic_fetch_sub(&sleepers, 1);
}

/* Runs chunks until none is left. The job stays as it is until the ones that ran here are reported. */
static void help(void) {
  i32 chunk = claim();
  if (chunk < 0) return;
  u32 count = 0;
  for (; chunk >= 0; chunk = claim(), count++) run_chunk(&job, chunk);
  if (atomic_fetch_add(&finished, count) & CALLER_SLEEPS) wake(&finished, 1);
}

static void *serve(void *unused) {
  for (;;) {
    if (!spin_for_news()) {
      sleep_for_news();
      /* The owner wakes a few, they wake the rest: no thread makes a long row of calls. */
      if (is_open(atomic_load(&ticket)) && atomic_load(&sleepers) > 0) wake(&calls, WOKEN_AT_ONCE);
    }
    if (atomic_load(&ticket) == RETIRE) return unused;
    help();
  }
}

/* ---- The owner's side ---- */

static int acquire_pool(void) {
  uintptr_t none = 0;
  if (atomic_load_explicit(&owner, memory_order_relaxed) != 0) return 0;
  return atomic_compare_exchange_strong(&owner, &none, (uintptr_t)pthread_self());
}

static void release_pool(void) { atomic_store_explicit(&owner, 0, memory_order_release); }

/* In a forked child only the thread that forked goes on. If its own launch was under way, it runs what was not claimed yet; what
   workers had claimed counts as finished, so that nobody waits for threads that are not there. The next launch starts new ones. */
static void begin_child(void) {
  if (atomic_load(&owner) == (uintptr_t)pthread_self()) {
    atomic_store(&finished, (atomic_load(&ticket) & 0xffff) - own_chunks);
  } else {
    atomic_store(&ticket, 0);
    atomic_store(&owner, 0);
  }
  forget_sleepers();
  atomic_store(&sleepers, 0);
  workers = 0;
}

static void prepare_process(void) {
  static int prepared;
  if (prepared) return;
  prepared = 1;
  pthread_atfork(0, 0, begin_child);
  /* Threads run this code until the process ends: closing the library must not unmap it. */
  Dl_info self;
  if (dladdr((void *)(uintptr_t)&begin_child, &self)) dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

/* Workers leave the program's signals to its own threads. */
static void start_workers(u32 count) {
  prepare_process();
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  while (workers < count && pthread_create(&worker_threads[workers], &attributes, serve, 0) == 0) workers++;
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, 0);
  avoided_processor = -1;
}

/* Starts the workers if that is still to do. Where no more threads can be had, the pool makes do with fewer. */
static int have_workers(void) {
  u32 wanted = (u32)atomic_load_explicit(&threads, memory_order_relaxed) - 1;
  if (workers < wanted) {
    start_workers(wanted);
    atomic_store(&threads, (int)workers + 1);
  }
  return workers > 0;
}

static void retire_workers(void) {
  atomic_store(&ticket, RETIRE);
  atomic_fetch_add(&calls, 1);
  wake(&calls, MOST_THREADS);
  while (workers > 0) pthread_join(worker_threads[--workers], 0);
  atomic_store(&ticket, 0);
}

/* A worker that is woken on the caller's processor waits there for a time slice to end, milliseconds. So workers may run on every
   processor that the caller may use but the one where it is. Where there are fewer processors than threads nobody spins. */
static void place_workers(void) {
#ifdef __linux__
  int processor = sched_getcpu();
  if (processor == avoided_processor || processor < 0 || processor >= CPU_SETSIZE) return;
  avoided_processor = processor;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  int processors = CPU_COUNT(&allowed);
  if (processors > 1) CPU_CLR(processor, &allowed);
  for (u32 worker = 0; worker < workers; worker++) pthread_setaffinity_np(worker_threads[worker], sizeof allowed, &allowed);
#else
  int processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
#endif
  atomic_store_explicit(&spinning, (int)workers < processors, memory_order_relaxed);
}

static void await_workers(u32 count) {
  if (may_spin() && atomic_load_explicit(&finished, memory_order_acquire) != count) {
    u64 end = now_ns() + CALLER_SPIN_NS;
    do {
      for (int turn = 0; turn < 32 && atomic_load_explicit(&finished, memory_order_acquire) != count; turn++) relax();
    } while (atomic_load_explicit(&finished, memory_order_acquire) != count && now_ns() < end);
  }
  if (atomic_load_explicit(&finished, memory_order_acquire) == count) return;
  u32 value = atomic_fetch_or(&finished, CALLER_SLEEPS) | CALLER_SLEEPS;
  for (; value != (count | CALLER_SLEEPS); value = atomic_load(&finished)) sleep_on(&finished, value);
}

static void run_job(u32 count) {
  atomic_store_explicit(&finished, 0, memory_order_relaxed);
  own_chunks = 0;
  atomic_store(&ticket, count << 16);
  if (atomic_load(&sleepers) > 0) {
    atomic_fetch_add(&calls, 1);
    wake(&calls, WOKEN_AT_ONCE);
  }
  for (i32 chunk; (chunk = claim()) >= 0;) {
    own_chunks++;
    run_chunk(&job, chunk);
  }
  await_workers(count - own_chunks);
  atomic_fetch_add_explicit(&handed_over, count - own_chunks, memory_order_relaxed);
}

static i32 quotient_up(i32 dividend, i32 divisor) { return dividend / divisor + (dividend % divisor != 0); }

/* One chunk for each grain, or where there are more grains than threads the same number of chunks, up to a few, for each thread:
   then one that is held up leaves its share to others. Large chunks begin at multiples of ALIGNMENT, so that vector loops have
   their tails only at the end. */
static i32 chunk_size(i32 work, i32 grain, i32 participants) {
  i32 grains = quotient_up(work, grain);
  i32 rounds = quotient_up(grains, participants);
  i32 count = rounds == 1 ? grains : participants * (rounds < CHUNKS_PER_THREAD ? rounds : CHUNKS_PER_THREAD);
  i32 chunk = quotient_up(work, count);
  if (chunk < 4 * ALIGNMENT || chunk > INT32_MAX - ALIGNMENT) return chunk;
  return quotient_up(chunk, ALIGNMENT) * ALIGNMENT;
}

/* Runs the items on the pool, or returns 0 where the caller had better run them all itself. */
static int run_shared(Job next, i32 grain) {
  if (atomic_load_explicit(&threads, memory_order_relaxed) == 1 || !acquire_pool()) return 0;
  /* Before a sleeper has woken, the caller has done about two grains of work alone. */
  int asleep = atomic_load_explicit(&sleepers, memory_order_relaxed) >= workers;
  int shared = (!asleep || next.work - grain > grain) && have_workers();
  if (shared) {
    place_workers();
    next.chunk = chunk_size(next.work, grain, (i32)workers + 1);
    job = next;
    run_job((u32)quotient_up(next.work, next.chunk));
  }
  release_pool();
  return shared;
}

/* Runs items 0 <= item < work, on several threads if there are more of them than the grain. */
EXPORT void ow_launch(double kernel, double memory, u32 place, i32 work, i32 grain) {
  Job next = {(Kernel *)(uintptr_t)kernel, (char *)(uintptr_t)memory, place, work, work};
  if (work > grain && run_shared(next, grain < 1 ? 1 : grain)) return;
  next.kernel(next.memory, place, 0, work);
}

/* How many threads may take part in a launch, the caller included; 1 at first. A positive number sets it: to another number than
   before, it waits for a launch under way and ends the workers. New ones start with the first launch that wants them. */
EXPORT i32 ow_threads(i32 wanted) {
  if (wanted > MOST_THREADS) wanted = MOST_THREADS;
  if (wanted > 0 && wanted != atomic_load(&threads)) {
    while (!acquire_pool()) sched_yield();
    retire_workers();
    atomic_store(&threads, wanted);
    release_pool();
  }
  return atomic_load(&threads);
}

/* How many chunks workers have run so far; the rest ran on the threads that launched. Wraps. */
EXPORT i32 ow_chunks_handed_over(void) { return (i32)atomic_load_explicit(&handed_over, memory_order_relaxed); }
`;
