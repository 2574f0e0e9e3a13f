#pragma once

// weights.safetensors: a trained network that describes itself. The weights have public names; the metadata says which
// model it is, what its classes are called and coloured, and how it was scored, so that `evaluate` and `predict` need
// no flags. A checkpoint of training carries the same description.

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "autograd/runtime/dtype.h"
#include "data/datasets/dataset.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/latent_flags.h"
#include "experiments/runner/network.h"
#include "nn/checkpoints/safetensors.h"
#include "nn/checkpoints/weights.h"
#include "seg/models/context_rule.h"

namespace experiments {

struct NetworkDescription {
  std::string model;                               // the network's name (networks.h)
  autograd::DType precision = autograd::kFloat32;  // of the activations, in training and in its evaluations
  data::DatasetInfo info;                          // name, classes, palette, stored values, normalisation
  DataOptions data;                                // what it was trained on, but for the folder
  InferenceOptions inference;                      // by which its scores were measured
  std::optional<seg::ContextInference> context;    // of networks that choose context (Network::context_inference)
  std::optional<LatentSettings> latent;            // of networks with a latent policy (Network::latent)
  bool says_how_scored = true;                     // false for a file of before, which lacks the last two
};

// For the file: keys "model", "precision", "dataset", "classes" (a JSON list: names may have commas), "palette",
// "stored_values" (a JSON list; files of before lack it), "palette_files", "mean", "standard_deviation", "data",
// "inference" and, where there are such, "mirrored_classes" (a JSON list), "context" and "latent" (JSON objects).
nn::Metadata ToMetadata(const NetworkDescription& description);

absl::Status SaveNetwork(const std::string& path, Network& network, const NetworkDescription& description);

struct SavedNetwork {
  std::unique_ptr<Network> network;
  NetworkDescription description;
};

// The description alone. Errors name the file and the metadata field.
absl::StatusOr<NetworkDescription> ReadDescription(const std::string& path);

// The weights of a network's file, or those of the network in a training checkpoint (the moving average, if it has one,
// as evaluation took it), into `network`.
absl::StatusOr<nn::LoadReport> LoadTrainedWeights(const std::string& path, Network& network, nn::LoadOptions options);

// From weights.safetensors, or from a checkpoint: then the moving average, if it has one, as evaluation took it.
// Without an auxiliary head: that of a file is left out, only training needs it. Errors name the file and the metadata
// field or the tensors at fault.
absl::StatusOr<SavedNetwork> LoadNetwork(const std::string& path);

}  // namespace experiments
