#pragma once

// The safetensors container (github.com/huggingface/safetensors): eight bytes little-endian N, N bytes of JSON that name the
// tensors, then their bytes, little-endian and row-major, without holes. Files are streamed tensor by tensor, and
// nothing is believed before it is checked: a damaged file is an error that names the file and the tensor.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nn {

struct TensorInfo {
  std::string name;
  std::string dtype;  // "F32", "BF16", "I64", … as the file has it
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes, from the first byte after the header
};

using Metadata = std::map<std::string, std::string>;

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their bytes
  Metadata metadata;
};

// Bytes of one element; 0 for a dtype this reader does not know.
int64_t SafetensorsElementSize(absl::string_view dtype);

// Checks everything: JSON, types, no duplicate names, known dtypes, extents whose product does not overflow, byte counts that
// fit dtype and shape, offsets that cover the `data_bytes` bytes without overlap or hole.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view json, uint64_t data_bytes);

class SafetensorsFile {
 public:
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);
  SafetensorsFile(SafetensorsFile&& other) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) = delete;
  ~SafetensorsFile();

  const std::string& path() const { return path_; }
  const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
  const Metadata& metadata() const { return header_.metadata; }
  // Null when there is none.
  const TensorInfo* Find(absl::string_view name) const;
  // The bytes of one of tensors().
  absl::StatusOr<std::string> Read(const TensorInfo& tensor) const;

 private:
  SafetensorsFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_;
  uint64_t data_offset_ = 0;
  SafetensorsHeader header_;
};

// A tensor to write. `bytes` is called when its turn comes, so only one tensor need be in memory.
struct TensorSource {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::function<std::string()> bytes;
};

// Atomic (autograd/runtime/atomic_file.h). Tensors are ordered by element size, then name, so that all are aligned.
absl::Status WriteSafetensors(const std::string& path, std::vector<TensorSource> tensors,
                              const Metadata& metadata = {});

}  // namespace nn
