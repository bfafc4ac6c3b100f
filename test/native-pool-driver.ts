/**
 * C text for the tests of the native tier's support library: kernels to launch, and a program around the library that does what no
 * JavaScript can do to it. Each part ends with status 0 and "ok", or prints what is wrong.
 *
 * A kernel's block is { u32 items; i32 calls; i32 most; i32 effort; }: where the items are, how often the kernel was called, the
 * most items of a call, how long an item takes.
 */

export const kernelSource = `#include <stdint.h>
typedef int32_t i32;
typedef uint32_t u32;
typedef struct { u32 items; i32 calls, most, effort; } Block;

static void note_call(Block *block, i32 count) {
  __atomic_fetch_add(&block->calls, 1, __ATOMIC_RELAXED);
  i32 most = __atomic_load_n(&block->most, __ATOMIC_RELAXED);
  while (count > most && !__atomic_compare_exchange_n(&block->most, &most, count, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

/* Adds one to each item. */
void ow_count(char *memory, u32 place, i32 begin, i32 end) {
  Block *block = (Block *)(memory + place);
  i32 *items = (i32 *)(memory + block->items);
  note_call(block, end - begin);
  for (i32 item = begin; item < end; item++) items[item]++;
}

/* The same, but later items take longer. */
void ow_uneven(char *memory, u32 place, i32 begin, i32 end) {
  Block *block = (Block *)(memory + place);
  i32 *items = (i32 *)(memory + block->items);
  note_call(block, end - begin);
  for (i32 item = begin; item < end; item++) {
    for (volatile i32 turn = 0; turn < item * block->effort; turn++);
    items[item]++;
  }
}

/* Only counts its calls: for more items than there is memory. */
void ow_note(char *memory, u32 place, i32 begin, i32 end) { note_call((Block *)(memory + place), end - begin); }

void ow_empty(char *memory, u32 place, i32 begin, i32 end) { (void)memory, (void)place, (void)begin, (void)end; }
`;

/** Follows the library's and the kernels' text in one file. */
export const driverSource = String.raw`
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { ITEMS = 5000 };
typedef struct { Block block; i32 items[ITEMS]; } Memory;

static void fail(const char *problem) {
  printf("%s\n", problem);
  fflush(stdout);
  _exit(1);
}

static void launch(Kernel *kernel, Memory *memory, i32 work, i32 grain) {
  ow_launch((double)(uintptr_t)kernel, (double)(uintptr_t)memory, 0, work, grain);
}

static Memory *new_memory(i32 effort) {
  Memory *memory = calloc(1, sizeof *memory);
  memory->block = (Block){offsetof(Memory, items), 0, 0, effort};
  return memory;
}

static void check_once(Memory *memory, i32 work) {
  for (i32 item = 0; item < ITEMS; item++)
    if (memory->items[item] != (item < work)) {
      printf("item %d of %d ran %d times\n", item, work, memory->items[item]);
      fail("an item did not run once");
    }
  memset(memory->items, 0, sizeof memory->items);
}

static void pause_us(long us) {
  struct timespec time = {0, us * 1000};
  nanosleep(&time, 0);
}

/* ---- stress: launches of every size from two threads, with pauses, while the number of threads changes. */

static i32 rounds;

static void *launch_many(void *seed_of) {
  unsigned seed = *(unsigned *)seed_of;
  Memory *memory = new_memory(1);
  for (i32 round = 0; round < rounds; round++) {
    i32 work = rand_r(&seed) % (round % 64 ? 200 : ITEMS), grain = 1 + rand_r(&seed) % (round % 3 ? 8 : 300);
    launch(ow_count, memory, work, grain);
    check_once(memory, work);
    if (rand_r(&seed) % 500 == 0) pause_us(rand_r(&seed) % 300);
    if (rand_r(&seed) % 5000 == 0) ow_threads(1 + rand_r(&seed) % 4);
  }
  free(memory);
  return 0;
}

static void stress(void) {
  unsigned seeds[] = {1, 2};
  pthread_t other;
  pthread_create(&other, 0, launch_many, &seeds[1]);
  launch_many(&seeds[0]);
  pthread_join(other, 0);
  if (ow_chunks_handed_over() == 0) fail("the workers did nothing");
  ow_threads(1);
}

/* ---- changes: workers end, whatever they are about to do. */

static void changes(void) {
  Memory *memory = new_memory(0);
  for (i32 round = 0; round < rounds; round++) {
    ow_threads(2 + round % 2);
    launch(ow_count, memory, 100, 1);
    for (volatile i32 turn = 0; turn < round * 7 % 10000; turn++);
  }
  ow_threads(1);
}

/* ---- fork */

static void wake_workers(void) {
  Memory *memory = new_memory(100);
  for (i32 before = ow_chunks_handed_over(); ow_chunks_handed_over() == before; memset(memory->items, 0, sizeof memory->items))
    launch(ow_uneven, memory, 400, 1);
  free(memory);
}

/* A hang would outlast this. */
static void expect_child(pid_t child) {
  for (i32 wait = 0; wait < 5000; wait++, pause_us(1000)) {
    int status;
    if (waitpid(child, &status, WNOHANG) == child) {
      if (status != 0) fail("the child failed");
      return;
    }
  }
  kill(child, SIGKILL);
  fail("the child hangs");
}

static void launch_as_child(void) {
  ow_threads(2);
  wake_workers();
  Memory *memory = new_memory(0);
  launch(ow_count, memory, ITEMS, 10);
  check_once(memory, ITEMS);
  if (atomic_load(&sleepers) > workers) fail("the child counts sleepers that it does not have");
  _exit(0);
}

static void fork_between_launches(void) {
  ow_threads(2);
  wake_workers();
  while (atomic_load(&sleepers) < workers) pause_us(100);
  pid_t child = fork();
  if (child == 0) launch_as_child();
  wake_workers();
  expect_child(child);
}

static pthread_t launcher;
static atomic_int forked;

/* Forks in the launch's first call on the thread that launched, while a worker is in another. */
static void forking_kernel(char *memory, u32 place, i32 begin, i32 end) {
  ow_uneven(memory, place, begin, end);
  if (!pthread_equal(pthread_self(), launcher)) {
    while (atomic_load(&forked) == 0) relax();
  } else if (atomic_load(&forked) == 0) {
    while ((atomic_load(&ticket) & 0xffff) == own_chunks) relax();
    pid_t child = fork();
    atomic_store(&forked, child == 0 ? -1 : child);
  }
}

static void fork_in_launch(void) {
  ow_threads(2);
  launcher = pthread_self();
  Memory *memory = new_memory(100);
  wake_workers();
  launch(forking_kernel, memory, 400, 1);
  if (atomic_load(&forked) == -1) launch_as_child();
  check_once(memory, 400);
  expect_child(atomic_load(&forked));
}

static atomic_int stop;

static void *keep_launching(void *memory) {
  while (!atomic_load(&stop)) launch(ow_uneven, memory, 400, 1);
  return 0;
}

/* The pool's owner is a thread that the child does not have. */
static void fork_beside_launch(void) {
  ow_threads(2);
  Memory *memory = new_memory(100);
  pthread_t other;
  pthread_create(&other, 0, keep_launching, memory);
  for (i32 round = 0; round < 20; round++) {
    pause_us(100);
    pid_t child = fork();
    if (child == 0) launch_as_child();
    expect_child(child);
  }
  atomic_store(&stop, 1);
  pthread_join(other, 0);
}

/* ---- signals: a worker takes none of the program's. */

static atomic_int unblocked;

static void look_at_signals(char *memory, u32 place, i32 begin, i32 end) {
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, 0, &blocked);
  if (!pthread_equal(pthread_self(), launcher) && !sigismember(&blocked, SIGINT)) atomic_store(&unblocked, 1);
  ow_uneven(memory, place, begin, end);
}

static void signals(void) {
  ow_threads(2);
  launcher = pthread_self();
  Memory *memory = new_memory(100);
  while (ow_chunks_handed_over() == 0) launch(look_at_signals, memory, 400, 1);
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, 0, &blocked);
  if (sigismember(&blocked, SIGINT)) fail("the caller's signals stayed blocked");
  if (atomic_load(&unblocked)) fail("a worker takes signals");
}

/* ---- affinity: workers may run on the caller's processors, but not on the one that it is on. */

#ifdef __linux__
static cpu_set_t of_caller;
static atomic_int in_the_way;

static void look_at_affinity(char *memory, u32 place, i32 begin, i32 end) {
  cpu_set_t expected = of_caller, allowed;
  pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed);
  CPU_CLR(avoided_processor, &expected);
  if (!pthread_equal(pthread_self(), launcher) && !CPU_EQUAL(&allowed, &expected)) atomic_store(&in_the_way, 1);
  ow_uneven(memory, place, begin, end);
}

static void affinity(void) {
  sched_getaffinity(0, sizeof of_caller, &of_caller);
  if (CPU_COUNT(&of_caller) == 1) return;
  ow_threads(3);
  launcher = pthread_self();
  Memory *memory = new_memory(100);
  for (i32 before = ow_chunks_handed_over(); ow_chunks_handed_over() - before < 20;) launch(look_at_affinity, memory, 400, 1);
  if (atomic_load(&in_the_way)) fail("a worker may run on the caller's processor, or not where it should");
}
#else
static void affinity(void) {}
#endif

/* ---- nested: a kernel that launches. */

static void nesting_kernel(char *memory, u32 place, i32 begin, i32 end) {
  Memory *own = new_memory(0);
  launch(ow_count, own, ITEMS, 10);
  check_once(own, ITEMS);
  free(own);
  ow_count(memory, place, begin, end);
}

static void nested(void) {
  ow_threads(2);
  Memory *memory = new_memory(0);
  for (i32 round = 0; round < 200; round++) {
    launch(nesting_kernel, memory, 64, 4);
    check_once(memory, 64);
  }
}

/* ---- one-processor: prints how much processor time launches take with two threads, relative to one. What other programs do to the
   processor does not show in it, and where a thread spins while another waits for the processor, it does. */

static double time_launches(i32 count) {
  Memory *memory = new_memory(10);
  struct timespec start, end;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  for (i32 index = 0; index < count; index++) {
    launch(ow_uneven, memory, 100, 10);
    if (index % 10 == 0) pause_us(1);
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  free(memory);
  return (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
}

static void one_processor(void) {
#ifdef __linux__
  cpu_set_t allowed, one;
  sched_getaffinity(0, sizeof allowed, &allowed);
  CPU_ZERO(&one);
  for (i32 processor = 0; processor < CPU_SETSIZE && CPU_COUNT(&one) == 0; processor++)
    if (CPU_ISSET(processor, &allowed)) CPU_SET(processor, &one);
  sched_setaffinity(0, sizeof one, &one);
#endif
  ow_threads(1);
  double alone = time_launches(1000);
  ow_threads(2);
  printf("%.3f ", time_launches(1000) / alone);
}

/* ---- leaving while workers spin or sleep */

static void leave_spinning(void) {
  ow_threads(2);
  wake_workers();
}

static void leave_sleeping(void) {
  ow_threads(2);
  wake_workers();
  while (atomic_load(&sleepers) < workers) pause_us(100);
}

int main(int count, char **arguments) {
  static const struct { const char *name; void (*run)(void); } parts[] = {
    {"stress", stress}, {"changes", changes}, {"fork-between-launches", fork_between_launches}, {"fork-in-launch", fork_in_launch},
    {"fork-beside-launch", fork_beside_launch}, {"signals", signals}, {"affinity", affinity}, {"nested", nested}, {"one-processor", one_processor},
    {"leave-spinning", leave_spinning}, {"leave-sleeping", leave_sleeping},
  };
  if (count < 2) return 2;
  if (count > 2) rounds = atoi(arguments[2]);
  ow_threads(4);
  for (u32 part = 0; part < sizeof parts / sizeof *parts; part++)
    if (strcmp(arguments[1], parts[part].name) == 0) {
      parts[part].run();
      printf("ok\n");
      return 0;
    }
  return 2;
}
`;
