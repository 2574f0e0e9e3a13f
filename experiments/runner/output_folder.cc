#include "experiments/runner/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "autograd/runtime/atomic_file.h"
#include "experiments/settings/settings.h"

namespace experiments {
namespace {

namespace fs = std::filesystem;

// The highest number of the folders PREFIXnumber in `parent`; 0 when there is none.
int HighestNumber(const fs::path& parent, const std::string& prefix) {
  int highest = 0;
  std::error_code error;
  for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error)) {
    const std::string file = it->path().filename().string();
    absl::string_view name = file;
    int number = 0;
    if (absl::ConsumePrefix(&name, prefix) && absl::SimpleAtoi(name, &number)) highest = std::max(highest, number);
  }
  return highest;
}

absl::Status CannotCreate(const std::string& folder, const std::string& why) {
  return absl::PermissionDeniedError(absl::StrCat("--output: cannot create ", folder, ": ", why));
}

// The last number given out is kept beside the folders, so that the number of a folder that was deleted is not given
// out again.
absl::StatusOr<std::string> NewFolder(const std::string& pattern) {
  const fs::path parent = fs::path(pattern).parent_path();
  const std::string prefix = absl::StrCat(fs::path(pattern).filename().string(), "_");
  const std::string last_path = (parent / absl::StrCat(".", prefix, "last")).string();
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) return CannotCreate(parent.string(), error.message());
  int last = 0;
  if (const absl::StatusOr<std::string> text = autograd::ReadFile(last_path); text.ok())
    (void)absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &last);
  for (int number = std::max(last, HighestNumber(parent, prefix)) + 1;; ++number) {
    const std::string folder = absl::StrFormat("%s_%03d", pattern, number);
    if (mkdir(folder.c_str(), 0777) == 0) {
      if (absl::Status status = autograd::WriteFileAtomically(last_path, absl::StrCat(number, "\n")); !status.ok())
        return status;
      return folder;
    }
    // Another process was faster.
    if (errno != EEXIST) return CannotCreate(folder, std::strerror(errno));
  }
}

// An advisory lock on a file in the folder; the kernel gives it up with the process, however that ends.
absl::StatusOr<int> Lock(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/.lock");
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0)
    return absl::PermissionDeniedError(
        absl::StrCat("--output: cannot write into ", folder, ": ", std::strerror(errno)));
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    close(file);
    if (why != EWOULDBLOCK) return -1;  // a file system without locks
    const absl::StatusOr<std::string> owner = autograd::ReadFile(path);
    return absl::FailedPreconditionError(absl::StrCat(
        "--output: ", folder, " is in use by ",
        owner.ok() && !owner->empty() ? std::string(absl::StripAsciiWhitespace(*owner)) : "another process"));
  }
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  const std::string text = absl::StrCat("process ", getpid(), " on ", host, "\n");
  if (ftruncate(file, 0) != 0 || pwrite(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    const std::string why = std::strerror(errno);
    close(file);
    return absl::UnavailableError(absl::StrCat("--output: cannot write into ", folder, ": ", why));
  }
  return file;
}

}  // namespace

std::string FindOutputFolder(const std::string& asked, const std::string& pattern) {
  if (!asked.empty()) return ResolvePath(asked);
  const fs::path path = ResolvePath(pattern);
  const int number = HighestNumber(path.parent_path(), absl::StrCat(path.filename().string(), "_"));
  return number == 0 ? std::string() : absl::StrFormat("%s_%03d", path.string(), number);
}

absl::StatusOr<OutputFolder> OutputFolder::Open(const std::string& asked, const std::string& pattern, bool resume) {
  std::string folder = ResolvePath(asked);
  if (!asked.empty()) {
    const absl::StatusOr<std::string> created = CreateOutputFolder(asked);
    if (!created.ok()) return created.status();
  } else if (!resume) {
    absl::StatusOr<std::string> created = NewFolder(ResolvePath(pattern));
    if (!created.ok()) return created.status();
    folder = *std::move(created);
  } else {
    folder = FindOutputFolder(asked, pattern);
    if (folder.empty())
      return absl::NotFoundError(absl::StrCat("--resume: there is no ", ResolvePath(pattern),
                                              "_001 to go on with; name the folder with --output"));
  }
  const absl::StatusOr<int> lock = Lock(folder);
  if (!lock.ok()) return lock.status();
  OutputFolder opened(folder, *lock);
  const absl::StatusOr<int> removed = autograd::RemoveStaleTemporaryFiles(folder);
  if (!removed.ok()) return removed.status();
  return opened;
}

OutputFolder::~OutputFolder() {
  if (lock_ >= 0) close(lock_);
}

absl::StatusOr<std::string> CreateOutputFolder(const std::string& asked) {
  const std::string folder = ResolvePath(asked);
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && !fs::is_directory(folder, error) && !error) error = std::make_error_code(std::errc::not_a_directory);
  if (error) return CannotCreate(folder, error.message());
  return folder;
}

}  // namespace experiments
