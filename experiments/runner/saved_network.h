#pragma once

// weights.safetensors: a trained network that describes itself. The weights have public names; the metadata says which model it
// is and what its classes are called and coloured, so `evaluate` and `predict` need no flags.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"
#include "experiments/runner/segmenter.h"

namespace experiments {

// `model` is the network's name (network.h).
absl::Status SaveNetwork(const std::string& path, Segmenter& segmenter, const std::string& model,
                         const data::DatasetInfo& info);

struct SavedNetwork {
  std::unique_ptr<Segmenter> segmenter;
  data::DatasetInfo info;  // names, palette, normalisation
  std::string model;
};

// Without an auxiliary head: that of a file is left out, only training needs it. Errors name the file and the metadata field or the tensors
// at fault.
absl::StatusOr<SavedNetwork> LoadNetwork(const std::string& path);

// The network that the flag --checkpoint names; InvalidArgument, naming the flag, when it is empty.
absl::StatusOr<SavedNetwork> LoadCheckpoint(const std::string& flag);

}  // namespace experiments
