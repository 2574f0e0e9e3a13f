#pragma once

// Validation images with a network's predictions, for people to look at.

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/network.h"
#include "experiments/runner/run.h"

namespace experiments {

// Pictures that explain how a network comes to its prediction of an image, with a caption for each; as many for every
// image.
struct ExamplePanels {
  std::vector<std::string> captions;
  std::function<std::vector<data::Image>(const data::Sample& sample)> make;  // may be null: none
};

// Predicts the same few validation images at every call and writes folder/validation_1.png, …: image, label, panels,
// prediction and errors side by side. Files of an earlier call are replaced.
absl::StatusOr<std::vector<Example>> WriteExamples(Network& network, const OpenedData& data,
                                                   const ExamplePanels& panels, const std::string& folder);

// The same of any dataset, as folder/STEM_1.png, …
absl::StatusOr<std::vector<Example>> WriteExamples(Network& network, const data::Dataset& dataset,
                                                   const InferenceOptions& inference, const ExamplePanels& panels,
                                                   const std::string& folder, const std::string& stem);

}  // namespace experiments
