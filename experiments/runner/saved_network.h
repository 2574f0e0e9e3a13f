#pragma once

// weights.safetensors: a trained network that describes itself. The weights have public names; the metadata says which model it
// is and what its classes are called and coloured, so `evaluate` and `predict` need no flags.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "autograd/runtime/random.h"
#include "data/datasets/dataset.h"
#include "experiments/runner/segmenter.h"

namespace experiments {

// A network by name: "micro", "atto", "femto", "pico", "nano", "tiny" are SFPNeXt on that ConvNeXt-V2. InvalidArgument lists the names.
// `precision` is that of its activations.
absl::StatusOr<std::unique_ptr<Segmenter>> MakeNetwork(const std::string& model, int classes, autograd::RandomKey key,
                                                       autograd::DType precision = autograd::kFloat32);

absl::Status SaveNetwork(const std::string& path, Segmenter& segmenter, const std::string& model,
                         const data::DatasetInfo& info);

struct SavedNetwork {
  std::unique_ptr<Segmenter> segmenter;
  data::DatasetInfo info;  // names, palette, normalisation
  std::string model;
};

// Errors name the file and the metadata field or the tensors at fault.
absl::StatusOr<SavedNetwork> LoadNetwork(const std::string& path);

// The network that the flag --checkpoint names; InvalidArgument, naming the flag, when it is empty.
absl::StatusOr<SavedNetwork> LoadCheckpoint(const std::string& flag);

}  // namespace experiments
