#pragma once

// The safetensors container (github.com/huggingface/safetensors): eight bytes little-endian N, N bytes of JSON that
// name the tensors, then their bytes, little-endian and row-major, without holes. Files are streamed tensor by tensor,
// and nothing is believed before it is checked: a damaged file is an error that names the file and the tensor.

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
  int shard = 0;                // of a model that is kept in several files
};

using Metadata = std::map<std::string, std::string>;

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their bytes
  Metadata metadata;
};

// Bytes of one element; 0 for a dtype this reader does not know.
int64_t SafetensorsElementSize(absl::string_view dtype);

// Checks everything: JSON, types, no duplicate names, known dtypes, extents whose product does not overflow, byte
// counts that fit dtype and shape, offsets that cover the `data_bytes` bytes without overlap or hole.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view json, uint64_t data_bytes);

// One file, or all files of a model that is kept in several.
class SafetensorsFile {
 public:
  // `path`: a safetensors file, or the index of a sharded one (*.safetensors.index.json with a "weight_map" from names
  // to files beside it), whose files must all be there and hold the tensors that the index says. For a file of another
  // kind that people keep weights in the error says what it is (PyTorch's formats and how to convert them, a Git LFS
  // pointer, …).
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);
  SafetensorsFile(SafetensorsFile&&) noexcept = default;
  SafetensorsFile& operator=(SafetensorsFile&&) = delete;
  ~SafetensorsFile();

  const std::string& path() const { return path_; }
  const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
  // Of shards together; where two differ, the first has it.
  const Metadata& metadata() const { return header_.metadata; }
  // Null when there is none.
  const TensorInfo* Find(absl::string_view name) const;
  // The bytes of one of tensors().
  absl::StatusOr<std::string> Read(const TensorInfo& tensor) const;

 private:
  struct Shard {
    std::string path;
    int descriptor;
    uint64_t data_offset;
  };
  explicit SafetensorsFile(std::string path) : path_(std::move(path)) {}
  // Adds a file and returns what its header says.
  absl::StatusOr<SafetensorsHeader> Add(const std::string& path);
  absl::Status AddShards(absl::string_view index);

  std::string path_;
  std::vector<Shard> shards_;
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
