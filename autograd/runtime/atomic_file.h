#pragma once

// Files that are either completely written or not there at all: the bytes go to a temporary neighbour, which is
// flushed to the disk and then renamed over the destination. After a crash, a full disk or an error in between,
// a previous file of that name is still intact. What a killed process leaves is NAME.PROCESS.NUMBER.tmp.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace autograd {

// The streaming form, for files that should not be held in memory:
//
//   absl::StatusOr<std::unique_ptr<AtomicFile>> file = AtomicFile::Create(path);
//   ... (*file)->Append(bytes) ...      // any number of times
//   absl::Status status = (*file)->Commit();
//
// Without Commit() the destructor removes the temporary file. Not thread-safe.
class AtomicFile {
 public:
  // `path`'s folder must exist. A symbolic link is followed, so that the link stays a link.
  static absl::StatusOr<std::unique_ptr<AtomicFile>> Create(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // After an error every later call returns that error, so a writer may check Commit() only.
  absl::Status Append(absl::string_view bytes);
  absl::Status Append(const void* bytes, size_t size);

  // Writes what is buffered, fsyncs, renames and fsyncs the folder. To be called once.
  absl::Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary_path, int descriptor);
  absl::Status Write(const char* bytes, size_t size);

  const std::string path_;
  const std::string temporary_path_;
  int descriptor_;
  std::string buffer_;
  absl::Status status_;
};

absl::Status WriteFileAtomically(const std::string& path, absl::string_view contents);

// `write` appends the contents; if it returns an error, that error is returned and nothing has changed on disk.
absl::Status WriteFileAtomically(const std::string& path, const std::function<absl::Status(AtomicFile&)>& write);

// Removes from `folder` (not from folders in it) the temporary files of AtomicFiles whose process was killed, and
// returns their number. A file that somebody is still writing, in this process, another one or a container beside it,
// is locked by its writer and stays; so does everything on a file system without locks. NotFound or another error names
// the folder, or a file that cannot be removed.
absl::StatusOr<int> RemoveStaleTemporaryFiles(const std::string& folder);

// The whole file. NotFound, or another error, names the path.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace autograd
