#pragma once

// A run's network from its first step to the file that it leaves behind.

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autograd/runtime/dtype.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/network.h"
#include "experiments/runner/run.h"
#include "experiments/runner/saved_network.h"
#include "experiments/runner/training_options.h"
#include "experiments/settings/settings.h"

namespace experiments {

struct NetworkSettings {
  std::string model = "micro";                     // by name (networks.h)
  autograd::DType precision = autograd::kFloat32;  // of the activations; weights and statistics stay float32
  std::optional<double> drop_path;                 // of stochastic depth; unset: the encoder's own
  std::string init_weights;                        // public weights of the encoder alone
  std::string cold_start;                          // weights of another run: every tensor that fits

  void Settings(SettingVisitor& visitor);
};

// Made with the run's key, with a latent policy around it where `latent` says so; then the encoder's public weights,
// then those of the run that this one begins with, or of cold_start. What was taken is printed. WrongFlag where the
// model is not known.
absl::StatusOr<std::unique_ptr<Network>> StartNetwork(const NetworkSettings& settings, const data::DatasetInfo& info,
                                                      const RunContext& context, bool auxiliary_head = false,
                                                      const std::optional<LatentSettings>& latent = {});

// WrongFlag where there are fewer training images than a step takes, and, with the flag and a value that would do,
// where the crops of a step leave a batch normalisation one value a channel.
absl::Status CheckTrainingShape(Network& network, const TrainingOptions& training, const OpenedData& data,
                                const autograd::Collective& collective);

// For the network's file.
NetworkDescription Describe(const NetworkSettings& settings, const DataOptions& options, const OpenedData& data);

// After training, on the first rank: weights.safetensors, and a line for the terminal.
absl::Status KeepNetwork(Network& network, const NetworkDescription& description, const RunContext& context,
                         const RunRecord& record);

}  // namespace experiments
