#include "nn/checkpoints/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "autograd/runtime/atomic_file.h"
#include "autograd/runtime/error.h"
#include "nlohmann/json.hpp"
#include "nn/checkpoints/file_kind.h"

namespace nn {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian, and are read as they are");

constexpr uint64_t kLargestHeader = 100'000'000;
// Enough of a file to tell its kind by.
constexpr uint64_t kFirst = 1024, kLast = 65536;

absl::Status SystemError(absl::string_view action, const std::string& path, int error) {
  const std::string message = absl::StrCat(action, " '", path, "': ", std::generic_category().message(error));
  return error == ENOENT ? absl::NotFoundError(message) : absl::InternalError(message);
}

// Up to `size` bytes from `offset`; fewer only at the end of the file.
absl::StatusOr<std::string> ReadAt(int descriptor, const std::string& path, uint64_t offset, uint64_t size) {
  std::string bytes(size, '\0');
  uint64_t done = 0;
  while (done < size) {
    const ssize_t count = pread(descriptor, bytes.data() + done, std::min<uint64_t>(size - done, 1 << 30),
                                static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError("cannot read", path, errno);
    if (count == 0) break;
    done += static_cast<uint64_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

absl::Status Annotate(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("'", path, "' is not a valid safetensors file: ", status.message()));
}

bool LooksLikeJson(absl::string_view text) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  text = absl::StripLeadingAsciiWhitespace(text);
  if (!absl::ConsumePrefix(&text, "{")) return false;
  text = absl::StripLeadingAsciiWhitespace(text);
  return absl::StartsWith(text, "\"") || absl::StartsWith(text, "}");
}

}  // namespace

absl::StatusOr<SafetensorsHeader> SafetensorsFile::Add(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return SystemError("cannot open", path, errno);
  shards_.push_back({path, descriptor, 0});
  struct stat information;
  if (fstat(descriptor, &information) != 0) return SystemError("cannot read", path, errno);
  if (S_ISDIR(information.st_mode))
    return absl::FailedPreconditionError(absl::StrCat("'", path, "' is a folder: name the .safetensors file in it"));
  if (!S_ISREG(information.st_mode))
    return absl::FailedPreconditionError(absl::StrCat("cannot read '", path, "': not a regular file"));
  const uint64_t size = static_cast<uint64_t>(information.st_size);
  if (size == 0) return absl::DataLossError(absl::StrCat("'", path, "' is empty"));

  absl::StatusOr<std::string> first = ReadAt(descriptor, path, 0, kFirst);
  if (!first.ok()) return first.status();
  uint64_t header_size = 0;
  std::memcpy(&header_size, first->data(), std::min<size_t>(first->size(), 8));
  if (first->size() < 8 || header_size > kLargestHeader || size - 8 < header_size) {
    absl::StatusOr<std::string> last = ReadAt(descriptor, path, size - std::min(size, kLast), kLast);
    if (!last.ok()) return last.status();
    const std::string kind = DescribeForeignFile(path, *first, *last);
    if (!kind.empty()) return absl::InvalidArgumentError(absl::StrCat("'", path, "' ", kind));
  }
  if (first->size() < 8) return Annotate(path, absl::DataLossError(absl::StrCat("it has only ", size, " bytes")));
  if (header_size > kLargestHeader) {
    return Annotate(path, absl::DataLossError(absl::StrCat("its header claims ", header_size, " bytes; at most ",
                                                           kLargestHeader, " are allowed")));
  }
  if (size - 8 < header_size) {
    return Annotate(
        path, absl::DataLossError(absl::StrCat("its header claims ", header_size, " bytes but the file has ", size)));
  }
  absl::StatusOr<std::string> json = ReadAt(descriptor, path, 8, header_size);
  if (!json.ok()) return json.status();
  absl::StatusOr<SafetensorsHeader> header = ParseSafetensorsHeader(*json, size - 8 - header_size);
  if (!header.ok()) return Annotate(path, header.status());
  shards_.back().data_offset = 8 + header_size;
  return header;
}

absl::Status SafetensorsFile::AddShards(absl::string_view index) {
  const auto wrong = [this](const auto&... what) {
    return absl::InvalidArgumentError(absl::StrCat("'", path_, "': ", what...));
  };
  const nlohmann::json json = nlohmann::json::parse(index.begin(), index.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return wrong("neither a safetensors file nor whole JSON");
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object())
    return wrong("a JSON text without a weight_map: neither weights nor the index of a sharded file");
  std::map<std::string, std::vector<std::string>> names;  // by shard
  for (const auto& [name, shard] : map->items()) {
    if (!shard.is_string()) return wrong("weight_map '", name, "' is no file name");
    const std::string file = shard.get<std::string>();
    if (file.empty() || file == "." || file == ".." || absl::StrContains(file, '/') || file.find('\0') != file.npos)
      return wrong("weight_map '", name, "' is '", file, "', not the name of a file beside the index");
    names[file].push_back(name);
  }
  if (names.empty()) return wrong("weight_map is empty");
  for (const auto& [file, tensors] : names) {
    const std::string path = (std::filesystem::path(path_).parent_path() / file).string();
    absl::StatusOr<SafetensorsHeader> header = Add(path);
    if (!header.ok())
      return absl::Status(header.status().code(),
                          absl::StrCat("'", path_, "', shard '", file, "': ", header.status().message()));
    std::map<std::string, const TensorInfo*> found;
    for (const TensorInfo& tensor : header->tensors) found[tensor.name] = &tensor;
    for (const std::string& name : tensors) {
      const auto tensor = found.find(name);
      if (tensor == found.end()) return wrong("tensor '", name, "' is not in its shard '", file, "'");
      header_.tensors.push_back(*tensor->second);
      header_.tensors.back().shard = static_cast<int>(shards_.size()) - 1;
    }
    header_.metadata.insert(header->metadata.begin(), header->metadata.end());
  }
  return absl::OkStatus();
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  SafetensorsFile file(path);
  absl::StatusOr<SafetensorsHeader> header = file.Add(path);
  if (header.ok()) {
    file.header_ = *std::move(header);
    return file;
  }
  // A text that begins like JSON: as the length of a header its first eight bytes would be beyond all bounds.
  if (file.shards_.empty()) return header.status();
  const int descriptor = file.shards_[0].descriptor;
  absl::StatusOr<std::string> text = ReadAt(descriptor, path, 0, kFirst);
  if (!text.ok() || !LooksLikeJson(*text)) return header.status();
  text = ReadAt(descriptor, path, 0, kLargestHeader);
  close(descriptor);
  file.shards_.clear();
  if (!text.ok()) return text.status();
  if (absl::Status status = file.AddShards(*text); !status.ok()) return status;
  return file;
}

SafetensorsFile::~SafetensorsFile() {
  for (const Shard& shard : shards_) close(shard.descriptor);
}

const TensorInfo* SafetensorsFile::Find(absl::string_view name) const {
  for (const TensorInfo& tensor : header_.tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

absl::StatusOr<std::string> SafetensorsFile::Read(const TensorInfo& tensor) const {
  const Shard& shard = shards_[tensor.shard];
  const uint64_t size = tensor.end - tensor.begin;
  absl::StatusOr<std::string> bytes = ReadAt(shard.descriptor, shard.path, shard.data_offset + tensor.begin, size);
  if (bytes.ok() && bytes->size() != size) {
    return absl::DataLossError(
        absl::StrCat("'", shard.path, "' ended inside tensor '", tensor.name, "': it was changed while open"));
  }
  return bytes;
}

absl::Status WriteSafetensors(const std::string& path, std::vector<TensorSource> tensors, const Metadata& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorSource& a, const TensorSource& b) {
    const int64_t first = SafetensorsElementSize(a.dtype), second = SafetensorsElementSize(b.dtype);
    return first != second ? first > second : a.name < b.name;
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorSource& tensor : tensors) {
    const int64_t element = SafetensorsElementSize(tensor.dtype);
    autograd::Require(element > 0, "WriteSafetensors", tensor.name, " has the unknown dtype ", tensor.dtype);
    autograd::Require(!header.contains(tensor.name), "WriteSafetensors", "two tensors are called ", tensor.name);
    uint64_t size = static_cast<uint64_t>(element);
    for (int64_t extent : tensor.shape) size *= static_cast<uint64_t>(extent);
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + size}}};
    offset += size;
  }
  std::string json = header.dump();
  json.append((8 - json.size() % 8) % 8, ' ');  // the data start aligned

  return autograd::WriteFileAtomically(path, [&](autograd::AtomicFile& file) -> absl::Status {
    const uint64_t header_size = json.size();
    (void)file.Append(&header_size, sizeof(header_size));
    (void)file.Append(json);
    for (const TensorSource& tensor : tensors) {
      const std::string bytes = tensor.bytes();
      const auto& offsets = header[tensor.name]["data_offsets"];
      autograd::Require(bytes.size() == offsets[1].get<uint64_t>() - offsets[0].get<uint64_t>(), "WriteSafetensors",
                        tensor.name, " gave ", bytes.size(), " bytes");
      if (absl::Status status = file.Append(bytes); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

}  // namespace nn
