#pragma once

// How images are passed through a network, where that may differ from what the network's file says.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/runner/evaluation.h"
#include "experiments/settings/settings.h"

namespace experiments {

// Windows and what is averaged; unset: as the data's published numbers do, or as the network was scored.
struct WindowFlags {
  std::optional<int> window, stride;
  std::optional<bool> average_logits;

  void Settings(SettingVisitor& visitor);
  // WrongFlag where a stride has no window, or leaves columns that no window covers.
  absl::StatusOr<InferenceOptions> Override(InferenceOptions inference) const;
};

// Several views of an image, averaged.
struct ViewFlags {
  bool multi_scale = false;
  std::vector<double> test_scales;  // with multi_scale; empty: PublishedScales()
  bool flip = false;
  WindowFlags windows;

  void Settings(SettingVisitor& visitor);
  // Scales are shares of the size at which `inference` has the image. WrongFlag where test_scales lack multi_scale.
  absl::StatusOr<InferenceOptions> Override(InferenceOptions inference) const;
};

// A line for each setting of `now` by a flag that `in_training` has otherwise: "--window=32 here, 0 in training".
// Scales left out, as the flags for them say it themselves.
std::vector<std::string> OtherThanInTraining(const InferenceOptions& in_training, const InferenceOptions& now);

// The paper's: 0.5, 0.75, 1, 1.25, 1.5, 1.75.
std::vector<double> PublishedScales();

}  // namespace experiments
