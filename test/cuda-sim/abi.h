// What the CUDA driver and NVRTC have in their binary interface, as far as the simulator offers it: result codes with their names and
// texts, the numbers of attributes and flags, and the types of handles. Written from the published interface; no header of CUDA is
// needed to build the simulator.
#pragma once
#include <cstddef>
#include <cstdint>

#define SIMULATOR_EXPORT extern "C" __attribute__((visibility("default")))

namespace simulator {

using DevicePointer = uint64_t;

// code, name, text
#define CUDA_RESULTS(row)                                                                          \
  row(0, SUCCESS, "no error")                                                                      \
  row(1, INVALID_VALUE, "invalid argument")                                                        \
  row(2, OUT_OF_MEMORY, "out of memory")                                                           \
  row(3, NOT_INITIALIZED, "initialization error")                                                  \
  row(4, DEINITIALIZED, "driver shutting down")                                                    \
  row(36, CALL_REQUIRES_NEWER_DRIVER, "API call is not supported in the installed CUDA driver")    \
  row(46, DEVICE_UNAVAILABLE, "CUDA-capable device(s) is/are busy or unavailable")                 \
  row(100, NO_DEVICE, "no CUDA-capable device is detected")                                        \
  row(101, INVALID_DEVICE, "invalid device ordinal")                                               \
  row(200, INVALID_IMAGE, "device kernel image is invalid")                                        \
  row(201, INVALID_CONTEXT, "invalid device context")                                              \
  row(209, NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device")          \
  row(214, ECC_UNCORRECTABLE, "uncorrectable ECC error encountered")                               \
  row(218, INVALID_PTX, "a PTX JIT compilation failed")                                            \
  row(222, UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain") \
  row(304, OPERATING_SYSTEM, "OS call failed or operation not supported on this OS")               \
  row(400, INVALID_HANDLE, "invalid resource handle")                                              \
  row(500, NOT_FOUND, "named symbol not found")                                                    \
  row(600, NOT_READY, "device not ready")                                                          \
  row(700, ILLEGAL_ADDRESS, "an illegal memory access was encountered")                            \
  row(701, LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch")                     \
  row(702, LAUNCH_TIMEOUT, "the launch timed out and was terminated")                              \
  row(716, MISALIGNED_ADDRESS, "misaligned address")                                               \
  row(719, LAUNCH_FAILED, "unspecified launch failure")                                            \
  row(801, NOT_SUPPORTED, "operation not supported")                                               \
  row(803, SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination") \
  row(999, UNKNOWN, "unknown error")

enum Result : int {
#define RESULT_ROW(code, name, text) name = code,
  CUDA_RESULTS(RESULT_ROW)
#undef RESULT_ROW
};

#define NVRTC_RESULTS(row)                          \
  row(0, NVRTC_SUCCESS)                             \
  row(1, NVRTC_ERROR_OUT_OF_MEMORY)                 \
  row(2, NVRTC_ERROR_PROGRAM_CREATION_FAILURE)      \
  row(3, NVRTC_ERROR_INVALID_INPUT)                 \
  row(4, NVRTC_ERROR_INVALID_PROGRAM)               \
  row(5, NVRTC_ERROR_INVALID_OPTION)                \
  row(6, NVRTC_ERROR_COMPILATION)                   \
  row(7, NVRTC_ERROR_BUILTIN_OPERATION_FAILURE)     \
  row(11, NVRTC_ERROR_INTERNAL_ERROR)

enum NvrtcResult : int {
#define NVRTC_ROW(code, name) name = code,
  NVRTC_RESULTS(NVRTC_ROW)
#undef NVRTC_ROW
};

enum FunctionAttribute : int {
  functionMaximumThreads = 0,
  functionSharedBytes = 1,
  functionConstantBytes = 2,
  functionLocalBytes = 3,
  functionRegisters = 4,
  functionPtxVersion = 5,
  functionBinaryVersion = 6,
  functionCacheMode = 7,
  functionMaximumDynamicShared = 8,
  functionSharedCarveout = 9,
};

// In the `extra` list of a launch.
constexpr uintptr_t launchEnd = 0, launchBuffer = 1, launchBufferBytes = 2;

constexpr unsigned streamNonBlocking = 1, eventDisableTiming = 2;

} // namespace simulator
