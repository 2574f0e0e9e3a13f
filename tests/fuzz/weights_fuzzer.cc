// nn::LoadWeights of any file into a small module with a tensor of each layout: a status leaves the module as it was.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/core/parameter.h"
#include "autograd/runtime/error.h"
#include "nn/checkpoints/weights.h"
#include "nn/module.h"
#include "tests/fuzz/memory_file.h"

namespace {

// The names and shapes of the corpus (make_corpus.py).
struct Tensors {
  autograd::Parameter linear{Zeros({2, 3})}, pointwise{Zeros({2, 3})}, convolution{Zeros({2, 3, 3, 2})},
      depthwise{Zeros({3, 3, 2})}, bias{Zeros({2})};
  autograd::Array running_mean = Zeros({2}), batches = autograd::Array::Zeros({}, autograd::kInt64);

  static autograd::Array Zeros(const autograd::Shape& shape) {
    return autograd::Array::Zeros(shape, autograd::kFloat32);
  }
  void Fields(nn::FieldVisitor& visitor) {
    visitor.Field("linear", linear, nn::Layout::kLinear);
    visitor.Field("pointwise", pointwise, nn::Layout::kPointwiseConv2d);
    visitor.Field("convolution", convolution, nn::Layout::kConv2d);
    visitor.Field("depthwise", depthwise, nn::Layout::kDepthwiseConv2d);
    visitor.Field("bias", bias);
    visitor.Field("running_mean", running_mean);
    visitor.Field("num_batches_tracked", batches);
  }
};

// Every parameter and buffer is as it was made.
bool Untouched(Tensors& tensors) {
  bool zero = tensors.batches.Item() == 0;
  std::vector<autograd::Array> arrays = {tensors.running_mean};
  for (const nn::NamedParameter& named : nn::NamedParameters(tensors)) arrays.push_back(named.parameter->value());
  for (const autograd::Array& array : arrays) {
    for (const float value : array.ToVector<float>()) zero &= value == 0;
  }
  return zero;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::MemoryFile file;
  file.Fill(data, size);
  for (const bool strict : {true, false}) {
    Tensors tensors;
    const absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(file.path(), tensors, {.strict = strict});
    autograd::Require(report.ok() || Untouched(tensors), "LoadWeights", "changed the module before it failed");
    autograd::Require(!report.ok() || !strict || report->complete(), "LoadWeights", "took only a part of a file");
  }
  return 0;
}
