#include "experiments/runner/program.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "autograd/runtime/error.h"
#include "experiments/settings/arguments.h"

namespace experiments {
namespace {

constexpr char kSignal[] = "experiments/signal";

int ExitCode(absl::string_view name, const absl::Status& status) {
  if (status.ok()) return 0;
  if (const int signal = SignalOf(status); signal != 0) return 128 + signal;
  std::cerr << name << ": " << status.message() << "\n";
  return IsWrongFlag(status) ? 2 : 1;
}

}  // namespace

absl::Status Stopped(int signal) {
  absl::Status status = absl::CancelledError("stopped by a signal");
  status.SetPayload(kSignal, absl::Cord(absl::StrCat(signal)));
  return status;
}

int SignalOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kSignal);
  int signal = 0;
  return payload.has_value() && absl::SimpleAtoi(std::string(*payload), &signal) ? signal : 0;
}

int RunProgram(absl::string_view name, const std::function<absl::Status()>& body) {
  try {
    const int code = ExitCode(name, body());
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      std::cerr << name << ": what was printed could not be written to standard output: " << std::strerror(errno)
                << "\n";
      return code == 0 ? 1 : code;
    }
    return code;
  } catch (const autograd::Error& error) {
    std::cerr << name << ": internal error: " << error.what() << "\n";
    return 3;
  }
}

void PrintHelp(absl::string_view name, absl::string_view usage, const SettingVisitor& settings) {
  std::printf("%s %s\n\n%s", std::string(name).c_str(), std::string(usage).c_str(), HelpText(settings).c_str());
}

absl::StatusOr<bool> ReadCommandLine(int argc, char** argv, absl::string_view name, absl::string_view usage,
                                     SettingVisitor& settings) {
  const absl::StatusOr<Arguments> arguments = ParseArguments(std::vector<const char*>(argv + 1, argv + argc), settings);
  if (!arguments.ok()) return arguments.status();
  std::vector<std::string> notes;
  if (absl::Status status = Apply(arguments->assignments, settings, &notes); !status.ok()) return status;
  if (arguments->help) {
    PrintHelp(name, usage, settings);
    return false;
  }
  for (const std::string& note : notes) std::cerr << name << ": " << note << "\n";
  if (absl::Status status = CheckBounds(settings); !status.ok()) return status;
  return true;
}

}  // namespace experiments
