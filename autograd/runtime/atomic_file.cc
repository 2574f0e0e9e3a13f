#include "autograd/runtime/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace autograd {
namespace {

constexpr size_t kBufferSize = size_t{1} << 20;

absl::Status SystemError(absl::string_view action, const std::string& path, int error) {
  const std::string message = absl::StrCat(action, " '", path, "': ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::InternalError(message);
  }
}

// True if the open file is the regular file of that name.
bool IsFileOf(int descriptor, const std::string& path) {
  struct stat opened, named;
  return fstat(descriptor, &opened) == 0 && lstat(path.c_str(), &named) == 0 && S_ISREG(named.st_mode) &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

// NAME.PROCESS.NUMBER.tmp
bool IsTemporaryName(absl::string_view name) {
  if (!absl::ConsumeSuffix(&name, ".tmp")) return false;
  for (int number = 0; number < 2; ++number) {
    const size_t digits = name.find_last_not_of("0123456789");
    if (digits == absl::string_view::npos || digits + 1 == name.size() || name[digits] != '.') return false;
    name = name.substr(0, digits);
  }
  return !name.empty();
}

}  // namespace

AtomicFile::AtomicFile(std::string path, std::string temporary_path, int descriptor)
    : path_(std::move(path)), temporary_path_(std::move(temporary_path)), descriptor_(descriptor) {
  buffer_.reserve(kBufferSize);
}

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path) {
  std::error_code ignored;
  std::string target = path;
  if (std::filesystem::is_symlink(path, ignored)) {
    const std::filesystem::path resolved = std::filesystem::weakly_canonical(path, ignored);
    if (!resolved.empty()) target = resolved.string();
  }
  if (std::filesystem::is_directory(target, ignored)) {
    return absl::FailedPreconditionError(absl::StrCat("cannot write '", path, "': it is a directory"));
  }
  // A name of our own rather than mkstemp's, because mkstemp ignores the umask. A file left behind by a crashed
  // process with the same number only makes us take the next name.
  static std::atomic<uint64_t> counter{0};
  for (;;) {
    std::string temporary = absl::StrCat(target, ".", getpid(), ".", counter++, ".tmp");
    const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) {
      if (errno != EEXIST && errno != EINTR) return SystemError("cannot create", temporary, errno);
      continue;
    }
    // The lock ends with the process, however that ends: by it RemoveStaleTemporaryFiles knows the living, where
    // numbers of processes say nothing (another machine, another container, a number used again). Without locks on this
    // file system nobody removes anything.
    const bool lost_lock = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (!lost_lock && IsFileOf(descriptor, temporary))
      return std::unique_ptr<AtomicFile>(new AtomicFile(target, std::move(temporary), descriptor));
    // Somebody who removes stale files has met this one before it was locked: it is gone, or about to be.
    close(descriptor);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_path_.c_str());
}

absl::Status AtomicFile::Write(const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t written = write(descriptor_, bytes, std::min(size, size_t{1} << 30));
    if (written < 0) {
      if (errno == EINTR) continue;
      return SystemError("cannot write", temporary_path_, errno);
    }
    bytes += written;
    size -= static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Append(const void* bytes, size_t size) {
  return Append(absl::string_view(static_cast<const char*>(bytes), size));
}

absl::Status AtomicFile::Append(absl::string_view bytes) {
  if (!status_.ok()) return status_;
  if (buffer_.size() + bytes.size() > kBufferSize) {
    status_ = Write(buffer_.data(), buffer_.size());
    buffer_.clear();
    if (status_.ok() && bytes.size() > kBufferSize) {
      status_ = Write(bytes.data(), bytes.size());
      return status_;
    }
  }
  if (status_.ok()) buffer_.append(bytes.data(), bytes.size());
  return status_;
}

absl::Status AtomicFile::Commit() {
  if (!status_.ok()) return status_;
  if (descriptor_ < 0) return absl::FailedPreconditionError(absl::StrCat("'", path_, "' was committed before"));
  status_ = Write(buffer_.data(), buffer_.size());
  // A disk may report at fsync, and a network file system at close, that it has lost what it accepted before.
  if (status_.ok() && fsync(descriptor_) != 0) status_ = SystemError("cannot flush", temporary_path_, errno);
  if (!status_.ok()) return status_;
  const int descriptor = std::exchange(descriptor_, -1);
  const int lock = dup(descriptor);  // keeps the file locked until it has its name
  if (close(descriptor) != 0) status_ = SystemError("cannot close", temporary_path_, errno);
  if (status_.ok() && rename(temporary_path_.c_str(), path_.c_str()) != 0) {
    status_ = SystemError(absl::StrCat("cannot rename '", temporary_path_, "' to"), path_, errno);
  }
  if (!status_.ok()) unlink(temporary_path_.c_str());
  if (lock >= 0) close(lock);
  if (!status_.ok()) return status_;
  // The rename itself is durable only once the folder is; file systems that cannot flush a folder do not matter.
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  const int folder = open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents) {
  return WriteFileAtomically(path, [&](AtomicFile& file) { return file.Append(contents); });
}

absl::Status WriteFileAtomically(const std::string& path, const std::function<absl::Status(AtomicFile&)>& write) {
  absl::StatusOr<std::unique_ptr<AtomicFile>> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = write(**file); !status.ok()) return status;
  return (*file)->Commit();
}

absl::StatusOr<int> RemoveStaleTemporaryFiles(const std::string& folder) {
  std::error_code error;
  int count = 0;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!IsTemporaryName(it->path().filename().string())) continue;
    const std::string path = it->path().string();
    const int descriptor = open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) continue;  // gone in the meantime, or not ours
    // Between its opening and its locking here a file may have been finished, and is then called otherwise.
    const bool stale = flock(descriptor, LOCK_EX | LOCK_NB) == 0 && IsFileOf(descriptor, path);
    const int failure = stale && unlink(path.c_str()) != 0 ? errno : 0;
    close(descriptor);
    if (failure != 0 && failure != ENOENT) return SystemError("cannot remove", path, failure);
    count += stale && failure == 0;
  }
  if (error) return SystemError("cannot list", folder, error.value());
  return count;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return SystemError("cannot open", path, errno);
  struct stat information;
  if (fstat(descriptor, &information) != 0 || !S_ISREG(information.st_mode)) {
    close(descriptor);
    return absl::FailedPreconditionError(absl::StrCat("cannot read '", path, "': not a regular file"));
  }
  std::string contents(static_cast<size_t>(information.st_size), '\0');
  size_t size = 0;
  int error = 0;
  while (size < contents.size()) {
    const ssize_t count = read(descriptor, contents.data() + size, contents.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) error = errno;
    if (count <= 0) break;
    size += static_cast<size_t>(count);
  }
  close(descriptor);
  if (error != 0) return SystemError("cannot read", path, error);
  contents.resize(size);
  return contents;
}

}  // namespace autograd
