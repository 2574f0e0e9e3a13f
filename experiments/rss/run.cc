#include "experiments/rss/run.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "experiments/rewards/without_labels.h"
#include "experiments/rss/objectives.h"
#include "experiments/rss/tables.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/gradient_learner.h"
#include "experiments/runner/network_settings.h"
#include "experiments/runner/training.h"

namespace experiments::rss {
namespace {

absl::Status Check(const std::string& row, const RssOptions& options) {
  if (!options.reward.command.empty() && options.supervision == Supervision::kPixelReward)
    return WrongFlag(absl::StrCat("--reward scores whole maps, but '", row,
                                  "' learns from a reward at every pixel, which only labels give"));
  return options.windows.Override(InferenceOptions()).status();
}

}  // namespace

absl::StatusOr<RunRecord> Run(const RssOptions& options, const RunContext& context) {
  absl::StatusOr<OpenedData> data = OpenData(options.data);
  if (!data.ok()) return data.status();
  absl::StatusOr<InferenceOptions> inference = options.windows.Override(data->inference);
  if (!inference.ok()) return inference.status();
  data->inference = *std::move(inference);
  if (!options.reward.command.empty()) data->training = std::make_unique<WithoutLabels>(std::move(data->training));

  const bool auxiliary_head = options.supervision == Supervision::kLabels && options.auxiliary_weight > 0;
  absl::StatusOr<std::unique_ptr<Network>> network =
      StartNetwork(options.network, data->validation->info(), context, auxiliary_head);
  if (!network.ok()) return network.status();
  if (absl::Status status = CheckTrainingShape(**network, options.training, *data, context.collective); !status.ok())
    return status;
  const std::unique_ptr<Objective> objective = MakeObjective(options, **network);
  GradientOptions gradient = options.gradient;
  if (gradient.last_layer_factor != 1)
    gradient.rate_factors.push_back({(*network)->last_layer(), gradient.last_layer_factor});
  const absl::StatusOr<std::unique_ptr<GradientLearner>> learner =
      GradientLearner::Create(options.training, gradient, *objective, *data, context);
  if (!learner.ok()) return learner.status();

  const NetworkDescription description = Describe(options.network, options.data, *data);
  absl::StatusOr<RunRecord> record = Train(options.training, **learner, **network, *data, description, context);
  if (!record.ok() || record->interrupted) return record;
  if (options.supervision == Supervision::kLabels) record->loss_name = "cross-entropy of supervised runs";

  // What is kept and looked at is what was scored.
  std::optional<nn::AverageScope> averaged;
  if ((*learner)->average() != nullptr) averaged.emplace(*(*learner)->average());
  if (options.multi_scale) {
    // Logits are averaged, as in iSeg, the code RSS comes from.
    ViewFlags flags;
    flags.multi_scale = flags.flip = true;
    flags.windows.average_logits = true;
    const absl::StatusOr<InferenceOptions> views = flags.Override(data->inference);
    if (!views.ok()) return views.status();
    const std::unique_ptr<Scorer> scorer = MakeScorer(data->validation->info(), data->root);
    const absl::StatusOr<Evaluation> evaluation =
        Evaluate(**network, *data->validation, *views, *scorer, {.collective = &context.collective});
    if (!evaluation.ok()) return evaluation.status();
    if (const Score* score = FindScore(evaluation->scores, "mIoU"); score != nullptr)
      record->scores.push_back({"mIoU of scales + flip", score->value});
  }
  if (absl::Status status = KeepNetwork(**network, description, context, *record); !status.ok()) return status;
  return record;
}

Experiment<RssOptions> BaseExperiment() {
  Experiment<RssOptions> experiment;
  experiment.title = "RSS: segmentation from rewards";
  experiment.presets = {{"quick", "scenes"}, {"camvid", "photos on a CPU"}, {"paper", "a GPU"}};
  experiment.preset = Preset;
  experiment.methods = Methods;
  experiment.tables = {{"1", TableOne},  {"2", TableTwo},  {"3", TableThree},
                       {"4", TableFour}, {"5", TableFive}, {"6", TableSix}};
  experiment.run = Run;
  experiment.check = Check;
  return experiment;
}

}  // namespace experiments::rss
