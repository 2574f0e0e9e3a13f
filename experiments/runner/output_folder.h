#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace experiments {

// `bazel run` starts programs in a folder of its own; relative paths mean the folder the user typed the command in.
std::string ResolvePath(const std::string& path);

// `asked`, resolved, if it is given. Otherwise the first free `pattern`_NNN or, to resume, the last one there is (NotFound when there is
// none).
absl::StatusOr<std::string> ChooseOutputFolder(const std::string& asked, const std::string& pattern, bool resume);

// `asked`, resolved, which now exists with its parents. PermissionDenied, naming --output, when it cannot be created.
absl::StatusOr<std::string> CreateOutputFolder(const std::string& asked);

}  // namespace experiments
