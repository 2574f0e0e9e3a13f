#include "experiments/runner/examples.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "data/formats/png.h"
#include "experiments/report/overlay.h"
#include "experiments/runner/evaluation.h"
#include "nn/layers/evaluation_scope.h"

namespace experiments {
namespace {

constexpr int kExamples = 6;

}  // namespace

absl::StatusOr<std::vector<Example>> WriteExamples(Network& network, const OpenedData& data,
                                                   const ExamplePanels& panels, const std::string& folder) {
  return WriteExamples(network, *data.validation, data.inference, panels, folder, "validation");
}

absl::StatusOr<std::vector<Example>> WriteExamples(Network& network, const data::Dataset& dataset,
                                                   const InferenceOptions& inference, const ExamplePanels& panels,
                                                   const std::string& folder, const std::string& stem) {
  const data::DatasetInfo& info = dataset.info();
  // Spread over the dataset: neighbours in a video look alike.
  const int64_t images = std::min<int64_t>(dataset.size(), 256);
  std::vector<Example> examples;
  const nn::EvaluationScope scope;
  for (int i = 0; i < kExamples; ++i) {
    absl::StatusOr<data::Sample> sample = dataset.Load(i * images / kExamples);
    if (!sample.ok()) return sample.status();
    Example example;
    example.prediction = Predict(network, sample->image, data::Normalization(info), inference);
    if (panels.make != nullptr) example.panels = panels.make(*sample);
    example.captions = panels.captions;
    example.image = std::move(sample->image);
    example.label = std::move(sample->label);
    std::vector<data::Image> row = {example.image, ColorLabels(example.label, info.palette)};
    row.insert(row.end(), example.panels.begin(), example.panels.end());
    row.push_back(ColorLabels(example.prediction, info.palette));
    row.push_back(ErrorPicture(example.label, example.prediction, info.palette));
    const data::Image picture = PictureGrid({row});
    if (absl::Status status = data::WritePng(absl::StrCat(folder, "/", stem, "_", i + 1, ".png"), picture);
        !status.ok())
      return status;
    examples.push_back(std::move(example));
  }
  return examples;
}

}  // namespace experiments
