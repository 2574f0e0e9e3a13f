#pragma once

// main() of a program.

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "experiments/settings/settings.h"

namespace experiments {

// Exit codes: 0 done; 1 what the user can mend, a file or the data; 2 a wrong flag (WrongFlag); 3 a programmer's error
// (autograd::Error); 128 + the signal of a run that was stopped (Stopped). Errors are one line on standard error,
// `name` in front. What was printed has reached standard output, or the code is 1.
int RunProgram(absl::string_view name, const std::function<absl::Status()>& body);

// A run that ended early, with everything saved, because of this signal.
absl::Status Stopped(int signal);
// 0 for any other status.
int SignalOf(const absl::Status& status);

// Reads the command line into the settings; false when --help was asked for, and shown.
absl::StatusOr<bool> ReadCommandLine(int argc, char** argv, absl::string_view name, absl::string_view usage,
                                     SettingVisitor& settings);

// `usage`, then every setting with its value.
void PrintHelp(absl::string_view name, absl::string_view usage, const SettingVisitor& settings);

template <typename Options>
int RunProgram(int argc, char** argv, absl::string_view name, absl::string_view usage,
               absl::Status (*body)(const Options&)) {
  return RunProgram(name, [&]() -> absl::Status {
    Options options;
    SettingVisitor settings;
    options.Settings(settings);
    const absl::StatusOr<bool> read = ReadCommandLine(argc, argv, name, usage, settings);
    if (!read.ok()) return read.status();
    return *read ? body(options) : absl::OkStatus();
  });
}

}  // namespace experiments
