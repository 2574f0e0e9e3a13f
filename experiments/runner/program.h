#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace experiments {

// main() of a program without positional arguments: parses the flags (--help shows `usage`), runs `body` and gives the exit code. 0: done;
// 1: what the user can mend, a flag or the status of `body`; 2: a programmer's error. Errors are one line on standard error, `name` in front.
int RunProgram(int argc, char** argv, absl::string_view name, absl::string_view usage,
               const std::function<absl::Status()>& body);

}  // namespace experiments
