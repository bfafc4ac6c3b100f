// Where settings come from, how injected injections are counted, and the report.
#include "settings.h"
#include "abi.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace simulator {
namespace {

const std::map<std::string, const char *> defaults = {
    {"devices", "1"},  {"architecture", "90"}, {"multiprocessors", "8"}, {"memory", "2147483648"},     {"driver", "13.0"},
    {"nvrtc", "13.0"}, {"order", "forward"},   {"checks", "0"},          {"streams", "lazy"},          {"watchdog", "10000"},
    {"fail", ""},      {"quiet", "0"},         {"compiler", "g++"},      {"nvrtc_architectures", ""}, {"cublas", "13.0"},
};

struct Injection {
  std::string function;
  uint64_t callsLeft;
  int code;
};

// Calls may come from several threads of the system. Recursive, as reading the setting of injections may report that it is wrong.
std::recursive_mutex settingsMutex;
using SettingsLock = std::lock_guard<std::recursive_mutex>;

std::map<std::string, std::string> configured;
std::map<std::string, uint64_t> calls;
std::optional<std::vector<Injection>> injections; // Not there until the setting was read.
std::string problem;

std::vector<Injection> parseInjections(const std::string &text) {
  std::vector<Injection> parsed;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string one = text.substr(at, end - at);
    const size_t colon = one.find(':'), equals = one.find('=');
    if (colon != std::string::npos && equals != std::string::npos && colon < equals)
      parsed.push_back({one.substr(0, colon), std::strtoull(one.c_str() + colon + 1, nullptr, 10), std::atoi(one.c_str() + equals + 1)});
    else
      report("OPWRIGHT_SIM_FAIL has no FUNCTION:CALL=CODE in '" + one + "'");
    at = end + 1;
  }
  return parsed;
}

} // namespace

std::string setting(const char *name) {
  const SettingsLock lock(settingsMutex);
  if (const auto found = configured.find(name); found != configured.end()) return found->second;
  std::string variable = "OPWRIGHT_SIM_";
  for (const char *letter = name; *letter; letter++) variable += static_cast<char>(*letter == '_' ? '_' : *letter - 'a' + 'A');
  const char *value = std::getenv(variable.c_str());
  return value != nullptr && *value != '\0' ? value : defaults.at(name);
}

long numberSetting(const char *name) { return std::strtol(setting(name).c_str(), nullptr, 10); }

int versionSetting(const char *name) {
  const std::string version = setting(name);
  const size_t dot = version.find('.');
  return std::atoi(version.c_str()) * 1000 + (dot == std::string::npos ? 0 : std::atoi(version.c_str() + dot + 1) * 10);
}

bool configure(const std::string &name, const std::string &value) {
  const SettingsLock lock(settingsMutex);
  if (defaults.count(name) == 0) return false;
  configured[name] = value;
  if (name == "fail") injections = parseInjections(value);
  return true;
}

void resetSettings() {
  const SettingsLock lock(settingsMutex);
  configured.clear();
  calls.clear();
  injections.reset();
  problem.clear();
}

int injectedFailure(const char *function) {
  const SettingsLock lock(settingsMutex);
  calls[function]++;
  if (!injections) injections = parseInjections(setting("fail"));
  for (Injection &one : *injections)
    if (one.callsLeft > 0 && one.function == function && --one.callsLeft == 0) return one.code;
  return 0;
}

void report(const std::string &text) {
  const SettingsLock lock(settingsMutex);
  problem = text;
  if (setting("quiet") != "1") std::fprintf(stderr, "cuda-sim: %s\n", text.c_str());
}

const std::string &lastReport() { return problem; }

// ---- The control entry points of tests

SIMULATOR_EXPORT int simConfigure(const char *name, const char *value) { return configure(name, value) ? 1 : 0; }

// What was found last, with kernel, thread and line where they are known; empty if nothing was.
SIMULATOR_EXPORT const char *simReport() { return problem.c_str(); }

// How often an entry point was called, or, for `kernel`, how many kernels have run.
SIMULATOR_EXPORT uint64_t simCalls(const char *function) {
  const SettingsLock lock(settingsMutex);
  return calls[function];
}

} // namespace simulator
