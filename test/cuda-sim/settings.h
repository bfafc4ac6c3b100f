// Settings by name, injected failures, call counts and the report of the last problem: what tests steer the simulator by and learn
// from it. A setting is what `simConfigure` said last, or else the environment: `order` is OPWRIGHT_SIM_ORDER.
//
//   devices        how many there are (1)
//   architecture   theirs, as 90 for sm_90 (90)
//   multiprocessors  of each device (8)
//   memory         bytes of each device (2 GiB)
//   driver         the CUDA version of the driver, as 13.0 (13.0)
//   nvrtc          the version of NVRTC (13.0)
//   nvrtc_architectures  what it compiles for, as 80,90 (a list that goes with its version)
//   cublas         the version of cuBLAS (13.0)
//   order          of blocks and threads: forward, reverse, shuffle or shuffle:SEED (forward)
//   checks         1: kernels are compiled so that every access is checked; holds from the next context on (0)
//   streams        lazy: work waits until something waits for it; eager: it runs at once (lazy)
//   watchdog       milliseconds of processor time that a kernel may take, 0 for any (10000)
//   fail           failures to inject: cuMemAlloc_v2:3=2,kernel:1=719 lets the third allocation from now give 2 and the next kernel
//                  end with 719, at the next wait
//   quiet          1: problems are not printed to the standard error (0)
//   compiler       of kernels (g++)
#pragma once
#include <cstdint>
#include <string>

namespace simulator {

std::string setting(const char *name);
long numberSetting(const char *name);
// A version as 13.0, in CUDA's way: 13000.
int versionSetting(const char *name);

// False where there is no such setting.
bool configure(const std::string &name, const std::string &value);
// Back to the environment; counts and the report are forgotten.
void resetSettings();

// Counts a call; gives the code that it shall fail with, or 0.
int injectedFailure(const char *function);

// Keeps the text as the report and prints it.
void report(const std::string &text);
const std::string &lastReport();

} // namespace simulator
