#include "data/formats/image_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace data {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kImageExtensions[] = {".jpg", ".jpeg", ".png", ".jpe", ".jfif"};

bool IsImageExtension(absl::string_view lower) {
  return std::find(std::begin(kImageExtensions), std::end(kImageExtensions), lower) != std::end(kImageExtensions);
}

}  // namespace

bool IsCompanion(absl::string_view name) {
  if (absl::StartsWith(name, ".")) return true;
  for (const char* other : {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "__macosx",
                            "@eadir", "$recycle.bin", "system volume information", "lost+found"}) {
    if (absl::EqualsIgnoreCase(name, other)) return true;
  }
  return false;
}

std::pair<std::string, std::string> SplitExtension(absl::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == absl::string_view::npos || dot == 0) return {std::string(name), ""};
  return {std::string(name.substr(0, dot)), absl::AsciiStrToLower(name.substr(dot))};
}

bool HasImageExtension(absl::string_view name) { return IsImageExtension(SplitExtension(name).second); }

std::vector<std::string> ExtensionsFor(absl::string_view extension, FileKind kind) {
  std::vector<std::string> extensions = {absl::AsciiStrToLower(extension)};
  if (kind != FileKind::kImage) return extensions;
  for (const absl::string_view other : kImageExtensions) {
    if (other != extensions[0]) extensions.emplace_back(other);
  }
  return extensions;
}

absl::StatusOr<FolderContents> ListFolder(const std::string& folder) {
  FolderContents contents;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (IsCompanion(name)) continue;
    std::error_code ignored;
    (it->is_directory(ignored) ? contents.folders : contents.files).push_back(std::move(name));
  }
  if (error) {
    const std::string message = absl::StrCat("cannot list '", folder, "': ", error.message());
    return error == std::errc::permission_denied ? absl::PermissionDeniedError(message) : absl::NotFoundError(message);
  }
  std::sort(contents.files.begin(), contents.files.end());
  std::sort(contents.folders.begin(), contents.folders.end());
  return contents;
}

std::optional<std::string> FileFinder::Find(const std::string& path, FileKind kind) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) return path;
  const fs::path folder = fs::path(path).parent_path();
  const auto [entry, is_new] = folders_.try_emplace(folder.string());
  Names& names = entry->second;
  if (is_new) {
    const absl::StatusOr<FolderContents> contents = ListFolder(folder.empty() ? "." : folder.string());
    if (!contents.ok()) return std::nullopt;
    for (const std::string& name : contents->files) names.emplace(SplitExtension(name), name);
  }
  const auto [stem, extension] = SplitExtension(fs::path(path).filename().string());
  for (const std::string& other : ExtensionsFor(extension, kind)) {
    if (const auto found = names.find({stem, other}); found != names.end()) return (folder / found->second).string();
  }
  return std::nullopt;
}

}  // namespace data
