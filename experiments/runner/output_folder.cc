#include "experiments/runner/output_folder.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace experiments {

std::string ResolvePath(const std::string& path) {
  if (path.empty() || path[0] == '/') return path;
  const char* typed_in = std::getenv("BUILD_WORKING_DIRECTORY");
  return typed_in == nullptr ? path : absl::StrCat(typed_in, "/", path);
}

absl::StatusOr<std::string> ChooseOutputFolder(const std::string& asked, const std::string& pattern, bool resume) {
  if (!asked.empty()) return ResolvePath(asked);
  constexpr int kMost = 1000;
  std::string last;
  for (int number = 1; number < kMost; ++number) {
    const std::string folder = ResolvePath(absl::StrFormat("%s_%03d", pattern, number));
    std::error_code error;
    if (!std::filesystem::exists(folder, error)) {
      if (!resume) return folder;
      if (last.empty())
        return absl::NotFoundError(
            absl::StrCat("--resume: there is no ", folder, " to go on with; name the folder with --output"));
      return last;
    }
    last = folder;
  }
  return absl::ResourceExhaustedError(absl::StrCat("--output: ", pattern, "_001 to _999 exist; name a folder"));
}

absl::StatusOr<std::string> CreateOutputFolder(const std::string& asked) {
  const std::string folder = ResolvePath(asked);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::PermissionDeniedError(absl::StrCat("--output: cannot create ", folder, ": ", error.message()));
  }
  return folder;
}

}  // namespace experiments
