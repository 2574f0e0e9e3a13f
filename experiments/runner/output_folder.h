#pragma once

// The folder that a program writes into: chosen once, made atomically, and locked, so that two processes never write
// into one.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace experiments {

class OutputFolder {
 public:
  // Where the user names none: a new PATTERN_001, PATTERN_002, …, with a number above every one that was ever given out
  // there, or, to go on, the one with the highest number; NotFound when there is none. `asked` is the folder itself.
  // FailedPrecondition, naming the process, where another one writes there. Temporary files that killed processes have
  // left in it are removed.
  static absl::StatusOr<OutputFolder> Open(const std::string& asked, const std::string& pattern, bool resume);
  OutputFolder(OutputFolder&& other) noexcept : path_(std::move(other.path_)), lock_(other.lock_) { other.lock_ = -1; }
  OutputFolder& operator=(OutputFolder&&) = delete;
  // Gives up the lock.
  ~OutputFolder();

  const std::string& path() const { return path_; }

 private:
  OutputFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_;  // a file descriptor
};

// The folder in which `resume` goes on, without opening it; empty where there is none.
std::string FindOutputFolder(const std::string& asked, const std::string& pattern);

// The folder of a --output flag, created with its parents. PermissionDenied when that fails.
absl::StatusOr<std::string> CreateOutputFolder(const std::string& asked);

}  // namespace experiments
