// The entry points of NVRTC. A program is translated, compiled for the host by g++ and linked with this library into a shared object,
// which, behind a header, is its cubin and its PTX. Objects are kept in the folder `kernels` beside this library, by a hash of the text
// and the compiler's options, each with its text.
#include "abi.h"
#include "modules.h"
#include "settings.h"
#include "translate.h"
#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <set>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// The texts of both headers, as simPrelude and the byte after its end.
asm(R"(
.section .rodata
.globl simPrelude
.hidden simPrelude
simPrelude:
.incbin "kernel-table.h"
.incbin "kernel-prelude.h"
.globl simPreludeEnd
.hidden simPreludeEnd
simPreludeEnd:
.byte 0
.text
)");
extern "C" const char simPrelude[], simPreludeEnd[];

extern char **environ;

namespace simulator {
namespace {

struct Program {
  std::string text, name, log;
  std::string cubin, ptx; // Empty until it is compiled for that.
};

// Different programs may be compiled at once.
std::mutex programsMutex;
std::set<Program *> programs;
std::atomic<unsigned> builds; // Names of files that differ within a process.

template <class Body> NvrtcResult counted(const char *name, Body body) {
  if (const int code = injectedFailure(name)) return static_cast<NvrtcResult>(code);
  return body();
}

bool isProgram(Program *program) {
  const std::lock_guard<std::mutex> lock(programsMutex);
  return programs.count(program) == 1;
}

template <class Body> NvrtcResult ofProgram(const char *name, Program *program, Body body) {
  return counted(name, [&] { return isProgram(program) ? body(*program) : NVRTC_ERROR_INVALID_PROGRAM; });
}

// ---- Options

struct Options {
  uint32_t architecture = 75;
  bool isPtx = true;
  std::vector<std::string> definitions;
};

std::vector<int> architectures() {
  const int version = versionSetting("nvrtc");
  std::string list = setting("nvrtc_architectures");
  if (list.empty()) list = version >= 13000 ? "75,80,86,87,88,89,90,100,103,110,120,121"
                         : version >= 12080 ? "50,52,53,60,61,62,70,72,75,80,86,87,89,90,100,101,120"
                         : version >= 12000 ? "50,52,53,60,61,62,70,72,75,80,86,87,89,90"
                                            : "35,37,50,52,53,60,61,62,70,72,75,80,86";
  std::vector<int> numbers;
  for (size_t at = 0; at < list.size(); at = std::min(list.find(',', at), list.size() - 1) + 1)
    numbers.push_back(std::atoi(list.c_str() + at));
  return numbers;
}

// Options that change nothing here.
const std::set<std::string> ignored = {
    "--fmad=true", "--fmad=false", "-fmad=true", "-fmad=false",
    "-default-device", "--device-as-default-execution-space",
    "--std=c++14", "--std=c++17", "--std=c++20", "-std=c++14", "-std=c++17", "-std=c++20",
    "--generate-line-info", "-lineinfo", "--restrict", "-restrict", "--disable-warnings", "-w",
    "--ptxas-options=-O0", "--ptxas-options=-O1", "--ptxas-options=-O2", "--ptxas-options=-O3",
    "--minimal", "-minimal", "--no-cache", "-no-cache",
};

bool startsWith(const std::string &text, const std::string &start) { return text.compare(0, start.size(), start) == 0; }

// Where an architecture stands: sm_90 or compute_90, with a letter for features of one architecture alone.
bool parseArchitecture(const std::string &value, Options &options) {
  const size_t digits = value.find('_');
  const std::string kind = value.substr(0, digits);
  if (digits == std::string::npos || (kind != "sm" && kind != "compute")) return false;
  const int number = std::atoi(value.c_str() + digits + 1);
  const std::vector<int> known = architectures();
  options.architecture = static_cast<uint32_t>(number);
  options.isPtx = kind == "compute";
  return std::find(known.begin(), known.end(), number) != known.end();
}

bool parseOption(const std::string &option, Options &options) {
  for (const char *start : {"--gpu-architecture=", "-arch=", "--gpu-architecture ", "-arch "})
    if (startsWith(option, start)) return parseArchitecture(option.substr(std::strlen(start)), options);
  for (const char *start : {"--define-macro=", "-D"})
    if (startsWith(option, start)) return options.definitions.push_back("-D" + option.substr(std::strlen(start))), true;
  return ignored.count(option) == 1 || startsWith(option, "--maxrregcount=");
}

// ---- The compiler

std::string ownPath() {
  Dl_info information{};
  dladdr(simPrelude, &information);
  return information.dli_fname;
}

// Runs a program and gives its status; what it prints as errors goes into a file.
int runCompiler(const std::vector<std::string> &command, const std::string &errors) {
  std::vector<char *> arguments;
  for (const std::string &argument : command) arguments.push_back(const_cast<char *>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child;
  const int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return -1;
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool readFile(const std::string &path, std::string &contents) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  contents.assign(std::istreambuf_iterator<char>(file), {});
  return true;
}

bool writeFile(const std::string &path, const std::string &contents) {
  std::ofstream file(path, std::ios::binary);
  return static_cast<bool>(file.write(contents.data(), static_cast<std::streamsize>(contents.size())).flush());
}

std::vector<std::string> compilerFlags(const Options &options, bool checked) {
  std::vector<std::string> flags = {
      "-x", "c++", "-std=gnu++20", "-O1", "-fPIC", "-shared", "-nostdinc", "-w",
      "-g1", "-gdwarf-4", // Lines; in version 5, addr2line mistakes the files.
      "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing", "-fno-exceptions", "-fno-rtti", "-fno-stack-protector",
      "-fno-semantic-interposition", "-fvisibility=hidden", "-D__CUDA_ARCH__=" + std::to_string(options.architecture * 10),
  };
  if (__builtin_cpu_supports("fma")) flags.push_back("-mfma");
  // The runtime libraries of these are not linked: checks.cpp has the functions that they make code call.
  if (checked)
    for (const char *flag : {"-fsanitize=thread", "--param=tsan-instrument-func-entry-exit=0",
                             "-fsanitize=bounds,shift-exponent,integer-divide-by-zero,float-cast-overflow"})
      flags.push_back(flag);
  flags.insert(flags.end(), options.definitions.begin(), options.definitions.end());
  return flags;
}

// Compiles a text to a shared object that is linked with this library. Empty if that fails: the log says why.
std::string build(const std::string &text, const std::vector<std::string> &flags, const std::string &kept, std::string &log) {
  const std::string work = kept + "." + std::to_string(getpid()) + "-" + std::to_string(++builds);
  const std::string source = work + ".cpp", object = work + ".so", errors = work + ".log", library = ownPath();
  if (!writeFile(source, text)) {
    log = source + " cannot be written";
    return "";
  }
  std::vector<std::string> command = {setting("compiler")};
  command.insert(command.end(), flags.begin(), flags.end());
  command.insert(command.end(), {source, "-o", object, "-nostdlib", "-Wl,-Bsymbolic,-z,defs", "-x", "none", library, "-lm", "-lc"});
  const int status = runCompiler(command, errors);
  if (!readFile(errors, log) || status < 0) log = "the compiler " + setting("compiler") + " cannot be run";
  unlink(errors.c_str());
  std::string bytes;
  if (status != 0 || !readFile(object, bytes)) {
    unlink(source.c_str());
    return "";
  }
  rename(source.c_str(), (kept + ".cpp").c_str());
  rename(object.c_str(), (kept + ".so").c_str());
  return bytes;
}

// The shared object of a text, from the folder of those that were built or made now.
std::string objectOf(const std::string &text, const std::vector<std::string> &flags, std::string &log) {
  std::string key = setting("compiler") + text;
  for (const std::string &flag : flags) key += '\n' + flag;
  const std::string library = ownPath(), folder = library.substr(0, library.rfind('/')) + "/kernels";
  char name[32];
  std::snprintf(name, sizeof name, "/%016lx", hashOf(key.data(), key.size()));
  std::string object;
  if (readFile(folder + name + ".so", object)) return object;
  mkdir(folder.c_str(), 0700);
  return build(text, flags, folder + name, log);
}

std::string imageOf(const std::string &object, const Options &options, bool checked) {
  ImageHeader header{};
  std::memcpy(header.magic, imageMagic, sizeof imageMagic);
  header.isPtx = options.isPtx;
  header.architecture = options.architecture;
  header.toolkit = static_cast<uint32_t>(versionSetting("nvrtc"));
  header.checked = checked;
  header.bytes = object.size();
  header.hash = hashOf(object.data(), object.size());
  return std::string(reinterpret_cast<const char *>(&header), sizeof header) + object;
}

NvrtcResult compileProgram(Program &program, int count, const char *const *given) {
  Options options;
  program.log.clear();
  for (int at = 0; at < count; at++) {
    if (parseOption(given[at], options)) continue;
    program.log = std::string("nvrtc: error: invalid value or unrecognized option: ") + given[at] + "\n";
    return NVRTC_ERROR_INVALID_OPTION;
  }
  const bool checked = setting("checks") == "1";
  const std::string prelude = "# 1 \"<simulator>\"\n" + std::string(simPrelude, simPreludeEnd);
  std::string text = prelude + "\n# 1 \"" + program.name + "\"\n" + translate(program.text);
  // Both headers say it, for their other users.
  const std::string pragma = "#pragma once\n";
  text.replace(text.find(pragma), pragma.size(), "\n");
  const std::string object = objectOf(text, compilerFlags(options, checked), program.log);
  if (object.empty()) return NVRTC_ERROR_COMPILATION;
  Options asPtx = options;
  asPtx.isPtx = true;
  program.ptx = imageOf(object, asPtx, checked);
  program.cubin = options.isPtx ? "" : imageOf(object, options, checked);
  return NVRTC_SUCCESS;
}

NvrtcResult giveSize(size_t *size, const std::string &bytes) {
  if (size == nullptr || bytes.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
  *size = bytes.size();
  return NVRTC_SUCCESS;
}

NvrtcResult giveBytes(char *out, const std::string &bytes) {
  if (out == nullptr || bytes.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
  std::memcpy(out, bytes.data(), bytes.size());
  return NVRTC_SUCCESS;
}

} // namespace

SIMULATOR_EXPORT NvrtcResult nvrtcVersion(int *major, int *minor) {
  return counted(__func__, [&] {
    *major = versionSetting("nvrtc") / 1000;
    *minor = versionSetting("nvrtc") % 1000 / 10;
    return NVRTC_SUCCESS;
  });
}

SIMULATOR_EXPORT NvrtcResult nvrtcGetNumSupportedArchs(int *count) {
  return counted(__func__, [&] { return *count = static_cast<int>(architectures().size()), NVRTC_SUCCESS; });
}

SIMULATOR_EXPORT NvrtcResult nvrtcGetSupportedArchs(int *numbers) {
  return counted(__func__, [&] {
    const std::vector<int> known = architectures();
    std::copy(known.begin(), known.end(), numbers);
    return NVRTC_SUCCESS;
  });
}

SIMULATOR_EXPORT NvrtcResult nvrtcCreateProgram(Program **out, const char *text, const char *name, int headers, const char *const *,
                                                const char *const *) {
  return counted(__func__, [&] {
    if (out == nullptr || text == nullptr || headers != 0) return NVRTC_ERROR_INVALID_INPUT;
    *out = new Program{text, name == nullptr ? "default_program" : name, "", "", ""};
    const std::lock_guard<std::mutex> lock(programsMutex);
    programs.insert(*out);
    return NVRTC_SUCCESS;
  });
}

SIMULATOR_EXPORT NvrtcResult nvrtcDestroyProgram(Program **program) {
  return ofProgram(__func__, program == nullptr ? nullptr : *program, [&](Program &found) {
    const std::lock_guard<std::mutex> lock(programsMutex);
    programs.erase(&found);
    delete &found;
    *program = nullptr;
    return NVRTC_SUCCESS;
  });
}

SIMULATOR_EXPORT NvrtcResult nvrtcCompileProgram(Program *program, int count, const char *const *options) {
  return ofProgram(__func__, program, [&](Program &found) { return compileProgram(found, count, options); });
}

SIMULATOR_EXPORT NvrtcResult nvrtcGetCUBINSize(Program *program, size_t *size) {
  return ofProgram(__func__, program, [&](Program &found) { return giveSize(size, found.cubin); });
}

SIMULATOR_EXPORT NvrtcResult nvrtcGetCUBIN(Program *program, char *out) {
  return ofProgram(__func__, program, [&](Program &found) { return giveBytes(out, found.cubin); });
}

SIMULATOR_EXPORT NvrtcResult nvrtcGetPTXSize(Program *program, size_t *size) {
  return ofProgram(__func__, program, [&](Program &found) { return giveSize(size, found.ptx); });
}

SIMULATOR_EXPORT NvrtcResult nvrtcGetPTX(Program *program, char *out) {
  return ofProgram(__func__, program, [&](Program &found) { return giveBytes(out, found.ptx); });
}

// With the zero byte at its end.
SIMULATOR_EXPORT NvrtcResult nvrtcGetProgramLogSize(Program *program, size_t *size) {
  return ofProgram(__func__, program, [&](Program &found) { return *size = found.log.size() + 1, NVRTC_SUCCESS; });
}

SIMULATOR_EXPORT NvrtcResult nvrtcGetProgramLog(Program *program, char *out) {
  return ofProgram(__func__, program, [&](Program &found) { return std::strcpy(out, found.log.c_str()), NVRTC_SUCCESS; });
}

SIMULATOR_EXPORT const char *nvrtcGetErrorString(int code) {
  switch (code) {
#define NVRTC_TEXT_ROW(value, name) \
  case value: return #name;
    NVRTC_RESULTS(NVRTC_TEXT_ROW)
#undef NVRTC_TEXT_ROW
  default: return "NVRTC_ERROR unknown";
  }
}

} // namespace simulator
