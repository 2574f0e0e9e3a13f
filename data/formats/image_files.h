// Names of files: what a folder holds for people, and which file is meant by a name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace data {

// True for what systems and programs leave beside people's files: hidden names (those with a leading dot, so macOS's
// ._* and .DS_Store, .ipynb_checkpoints), Thumbs.db, desktop.ini, __MACOSX, @eaDir and the like. They are passed over
// wherever a folder is listed.
bool IsCompanion(absl::string_view name);

// True for names that end like the images that ReadImage reads (.png, .jpg, .jpeg, .jpe, .jfif), in capitals or not.
bool HasImageExtension(absl::string_view name);

// Names, without the folder, in alphabetical (byte) order and without companions. `files` is everything that is no
// folder.
struct FolderContents {
  std::vector<std::string> files, folders;
};
// NotFound or PermissionDenied names the folder.
absl::StatusOr<FolderContents> ListFolder(const std::string& folder);

enum class FileKind {
  kImage,  // any file that ReadImage reads may stand for another: a.jpeg or a.PNG for a.jpg
  kExact,  // the extension may only be in other letters: a.PNG for a.png
};

// Finds files whose extension is spelled in another way. Each folder is listed once, so files that come later are not
// seen. Not thread-safe.
class FileFinder {
 public:
  // `path` if it exists; else the file of the same stem with its extension in other letters, else, for images, the one
  // with the first other extension in HasImageExtension's order.
  std::optional<std::string> Find(const std::string& path, FileKind kind);
  // The same, and `path` where there is none.
  std::string FindOrKeep(const std::string& path, FileKind kind) { return Find(path, kind).value_or(path); }

 private:
  // (stem, extension in small letters) -> name.
  using Names = std::map<std::pair<std::string, std::string>, std::string>;
  std::map<std::string, Names> folders_;
};

// The extensions that may stand for `extension`, in small letters and with their dot, itself first.
std::vector<std::string> ExtensionsFor(absl::string_view extension, FileKind kind);

// (stem, extension in small letters with its dot) of a name.
std::pair<std::string, std::string> SplitExtension(absl::string_view name);

}  // namespace data
