#include "nn/checkpoints/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/atomic_file.h"
#include "autograd/runtime/error.h"
#include "nlohmann/json.hpp"

namespace nn {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian, and are read as they are");

constexpr uint64_t kLargestHeader = 100'000'000;

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

}  // namespace

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return SystemError("cannot open", path, errno);
  SafetensorsFile file(path, descriptor);
  struct stat information;
  if (fstat(descriptor, &information) != 0) return SystemError("cannot read", path, errno);
  if (!S_ISREG(information.st_mode))
    return absl::FailedPreconditionError(absl::StrCat("cannot read '", path, "': not a regular file"));
  const uint64_t size = static_cast<uint64_t>(information.st_size);

  absl::StatusOr<std::string> prefix = ReadAt(descriptor, path, 0, 8);
  if (!prefix.ok()) return prefix.status();
  if (prefix->size() < 8) return Annotate(path, absl::DataLossError(absl::StrCat("it has only ", size, " bytes")));
  uint64_t header_size;
  std::memcpy(&header_size, prefix->data(), 8);
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
  file.data_offset_ = 8 + header_size;
  file.header_ = *std::move(header);
  return file;
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      data_offset_(other.data_offset_),
      header_(std::move(other.header_)) {}

SafetensorsFile::~SafetensorsFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

const TensorInfo* SafetensorsFile::Find(absl::string_view name) const {
  for (const TensorInfo& tensor : header_.tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

absl::StatusOr<std::string> SafetensorsFile::Read(const TensorInfo& tensor) const {
  const uint64_t size = tensor.end - tensor.begin;
  absl::StatusOr<std::string> bytes = ReadAt(descriptor_, path_, data_offset_ + tensor.begin, size);
  if (bytes.ok() && bytes->size() != size) {
    return absl::DataLossError(
        absl::StrCat("'", path_, "' ended inside tensor '", tensor.name, "': it was changed while open"));
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
