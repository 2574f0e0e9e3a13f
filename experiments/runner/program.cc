#include "experiments/runner/program.h"

#include <iostream>
#include <vector>

#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "autograd/runtime/error.h"

namespace experiments {

int RunProgram(int argc, char** argv, absl::string_view name, absl::string_view usage,
               const std::function<absl::Status()>& body) {
  absl::SetProgramUsageMessage(usage);
  // --help lists our flags wherever they are defined, and none of the libraries'.
  absl::FlagsUsageConfig shown;
  shown.contains_help_flags = [](absl::string_view file) { return absl::StrContains(file, "experiments/"); };
  absl::SetFlagsUsageConfig(shown);
  if (const std::vector<char*> rest = absl::ParseCommandLine(argc, argv); rest.size() > 1) {
    std::cerr << name << ": unexpected argument '" << rest[1] << "' (flags look like --name=value)\n";
    return 1;
  }
  try {
    const absl::Status status = body();
    if (status.ok()) return 0;
    std::cerr << name << ": " << status.message() << "\n";
    return 1;
  } catch (const autograd::Error& error) {
    std::cerr << name << ": internal error: " << error.what() << "\n";
    return 2;
  }
}

}  // namespace experiments
