#pragma once

// A golden file's tensors as Arrays, and its weights in modules.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/core/array.h"
#include "nn/checkpoints/safetensors.h"
#include "nn/module.h"

namespace golden {

// What is wrong with the file is an Error: it is the fault of who made it.
class File {
 public:
  explicit File(const std::string& path);

  bool Has(const std::string& name) const { return file_->Find(name) != nullptr; }
  // As the file has it.
  const std::vector<int64_t>& Shape(const std::string& name) const { return Info(name).shape; }
  // Float tensors of four dimensions are [N, C, H, W] in the file and become [N, H, W, C]; others stay as they are.
  autograd::Array Read(const std::string& name) const;
  // "" where there is no such entry.
  std::string Metadata(const std::string& name) const;

  // The tensors called `prefix` + one of `parts` + … into what `network` calls by the rest of the name. `count` of them
  // must be there, and all must fit.
  void Load(const std::string& prefix, const std::vector<std::string>& parts, const nn::ModuleReference& network,
            size_t count) const;

 private:
  const nn::TensorInfo& Info(const std::string& name) const;

  absl::StatusOr<nn::SafetensorsFile> file_;
};

}  // namespace golden
