#pragma once

// Tensors of a golden file as Arrays.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/core/array.h"
#include "nn/checkpoints/layouts.h"
#include "nn/checkpoints/safetensors.h"
#include "nn/module.h"

namespace golden {

class File {
 public:
  explicit File(const std::string& name) : path_("tests/golden/" + name), file_(nn::SafetensorsFile::Open(path_)) {
    if (!file_.ok()) throw autograd::Error(file_.status().ToString());
  }

  const std::string& path() const { return path_; }

  // Float tensors of four dimensions are [N, C, H, W] in the file and become [N, H, W, C]; others stay as they are.
  autograd::Array Read(const std::string& name) const {
    const nn::TensorInfo* tensor = file_->Find(name);
    autograd::Require(tensor != nullptr, "golden::File", "no tensor is called ", name);
    std::string bytes = *file_->Read(*tensor);
    if (tensor->dtype == "U8")
      return autograd::Array::FromHost(autograd::Shape(tensor->shape), autograd::kUInt8, bytes.data());
    autograd::Require(tensor->dtype == "F32", "golden::File", name, " is ", tensor->dtype);
    if (tensor->shape.size() != 4)
      return autograd::Array::FromHost(autograd::Shape(tensor->shape), autograd::kFloat32, bytes.data());
    const autograd::Shape shape{tensor->shape[0], tensor->shape[2], tensor->shape[3], tensor->shape[1]};
    bytes = nn::FromPublic(bytes, nn::Layout::kConv2d, shape, 4);
    return autograd::Array::FromHost(shape, autograd::kFloat32, bytes.data());
  }

  double Number(const std::string& name) const { return Read(name).Item(); }

 private:
  std::string path_;
  absl::StatusOr<nn::SafetensorsFile> file_;
};

}  // namespace golden
