#include "experiments/compare/run.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "experiments/ciss/run.h"
#include "experiments/latent/run.h"
#include "experiments/rss/run.h"
#include "experiments/runner/gradient_learner.h"
#include "experiments/runner/network_settings.h"
#include "experiments/runner/supervised.h"
#include "experiments/runner/training.h"
#include "seg/losses/class_weights.h"

namespace experiments::compare {
namespace {

// How often each class occurs in the first training images.
absl::StatusOr<std::vector<int64_t>> CountClasses(const data::Dataset& dataset, int64_t limit) {
  std::vector<int64_t> counts(static_cast<size_t>(dataset.info().num_classes()));
  const int64_t images = limit > 0 ? std::min(limit, dataset.size()) : dataset.size();
  for (int64_t i = 0; i < images; ++i) {
    const absl::StatusOr<data::Sample> sample = dataset.Load(i);
    if (!sample.ok()) return sample.status();
    for (const uint8_t label : sample->label.values) {
      if (label != data::kVoidLabel) ++counts[label];
    }
  }
  return counts;
}

absl::StatusOr<RunRecord> RunBalanced(const CompareOptions& options, const RunContext& context) {
  const rss::RssOptions labels = options.Rss(rss::Supervision::kLabels);
  absl::StatusOr<OpenedData> data = OpenData(options.data);
  if (!data.ok()) return data.status();
  absl::StatusOr<InferenceOptions> inference = options.windows.Override(data->inference);
  if (!inference.ok()) return inference.status();
  data->inference = *std::move(inference);
  const absl::StatusOr<std::vector<int64_t>> counts = CountClasses(*data->training, options.counted_images);
  if (!counts.ok()) return counts.status();
  if (std::all_of(counts->begin(), counts->end(), [](int64_t count) { return count == 0; }))
    return absl::InvalidArgumentError("the training labels are void everywhere: no class can be weighed");

  absl::StatusOr<std::unique_ptr<Network>> network = StartNetwork(labels.network, data->validation->info(), context);
  if (!network.ok()) return network.status();
  if (absl::Status status = CheckTrainingShape(**network, options.training, *data, context.collective); !status.ok())
    return status;
  Supervised objective(**network, 0, seg::ClassWeights(*counts));
  const absl::StatusOr<std::unique_ptr<GradientLearner>> learner =
      GradientLearner::Create(options.training, options.gradient, objective, *data, context);
  if (!learner.ok()) return learner.status();
  const NetworkDescription description = Describe(labels.network, options.data, *data);
  absl::StatusOr<RunRecord> record = Train(options.training, **learner, **network, *data, description, context);
  if (!record.ok() || record->interrupted) return record;
  std::optional<nn::AverageScope> averaged;
  if ((*learner)->average() != nullptr) averaged.emplace(*(*learner)->average());
  if (absl::Status status = KeepNetwork(**network, description, context, *record); !status.ok()) return status;
  return record;
}

absl::Status Check(const std::string&, const CompareOptions& options) {
  if (options.training.steps < 2)
    return WrongFlag(absl::StrCat("--steps=", options.training.steps, ": CiSS-Net's row has two halves of it"));
  return options.windows.Override(InferenceOptions()).status();
}

}  // namespace

absl::StatusOr<RunRecord> Run(const CompareOptions& options, const RunContext& context) {
  switch (options.method) {
    case Method::kLabels:
      return rss::Run(options.Rss(rss::Supervision::kLabels), context);
    case Method::kBalanced:
      return RunBalanced(options, context);
    case Method::kRss:
      return rss::Run(options.Rss(rss::Supervision::kImageReward), context);
    case Method::kCiss:
      return ciss::Run(options.Ciss(), context);
    case Method::kLatent:
      return latent::Run(options.Latent(), context);
  }
  return absl::InternalError("unknown method");
}

Table<CompareOptions> Methods(const CompareOptions& base) {
  Table<CompareOptions> table;
  table.title = "Ways to teach one network";
  table.compared = "of labels %";
  table.note = "All rows see as many images. CiSS-Net's features learn from labels for the first half of them.";
  const auto with = [&](Method method) {
    CompareOptions options = base;
    options.method = method;
    return options;
  };
  const auto half = [&](Method method) {
    CompareOptions options = with(method);
    options.training.steps = base.training.steps / 2;
    return options;
  };
  table.rows.push_back(Row<CompareOptions>("labels", "labels", with(Method::kLabels)));
  table.rows.push_back(
      Row<CompareOptions>("labels, classes alike", "balanced", with(Method::kBalanced)).Beside("labels"));
  table.rows.push_back(Row<CompareOptions>("RSS", "rss", with(Method::kRss)).Beside("labels"));
  table.rows.push_back(Row<CompareOptions>("CiSS-Net", "ciss", half(Method::kCiss)).From("features").Beside("labels"));
  table.rows.push_back(Row<CompareOptions>("latent policy", "latent", with(Method::kLatent)).Beside("labels"));
  table.rows.push_back(Row<CompareOptions>("CiSS-Net's features", "features", half(Method::kLabels)).Hidden());
  return table;
}

Experiment<CompareOptions> TheExperiment() {
  Experiment<CompareOptions> experiment;
  experiment.name = "compare_methods";
  experiment.title = "Ways to teach one network";
  experiment.usage =
      "teaches one network by labels, by labels whose classes count alike, by RSS, CiSS-Net and a latent policy.\n\n"
      "  compare_methods                                  embedded scenes, minutes on two cores\n"
      "  compare_methods --seeds=3\n"
      "  compare_methods --data_root=DIR                  CamVid";
  experiment.dataset = "camvid";
  experiment.presets = {{"quick", "scenes"}, {"camvid", "photos on a CPU"}};
  experiment.preset = Preset;
  experiment.methods = Methods;
  experiment.run = Run;
  experiment.check = Check;
  return experiment;
}

}  // namespace experiments::compare
