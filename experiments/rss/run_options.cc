#include "experiments/rss/run_options.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "experiments/runner/network.h"

namespace experiments::rss {
namespace {

RunOptions Quick() {
  RunOptions options;
  options.samples = 64;
  options.scales = {8, 4, 2};
  options.entropy_weight = 0.05;
  options.advantage = AdvantageKind::kPosterior;
  options.training.steps = 2000;
  options.training.batch_size = 16;
  options.training.learning_rate = 4e-3;
  options.training.warm_up_steps = 100;
  options.training.evaluate_every = 250;
  options.training.checkpoint_every = 500;
  return options;
}

RunOptions CamVid() {
  RunOptions options = Quick();
  options.data.name = "camvid";
  options.data.crop = 128;
  options.data.image_scale = 0.5;
  options.samples = 32;
  options.scales = {16, 8, 4};
  options.training.batch_size = 8;
  options.training.steps = 4000;
  options.training.learning_rate = 3e-3;
  options.training.evaluate_every = 500;
  return options;
}

// Credit, models and schedules as the paper has them; what it leaves open (rate, batch, crop handling) follows iSeg, its authors' code base.
RunOptions Paper(absl::string_view dataset) {
  RunOptions options;
  options.data.name = std::string(dataset);
  options.data.crop = 0;  // as published
  options.model = "nano";
  options.samples = 16;
  options.scales = {64, 32, 16, 8, 4};
  options.training.steps = 40000;
  options.training.batch_size = 16;
  options.training.loader_threads = 8;
  options.training.learning_rate = 1e-4;
  options.training.weight_decay = 0.05;
  options.training.warm_up_steps = 1500;
  options.training.last_layer_factor = 400;
  options.training.evaluate_every = 4000;
  options.training.evaluation_images = 500;
  options.training.checkpoint_every = 1000;
  return options;
}

}  // namespace

absl::StatusOr<RunOptions> Preset(absl::string_view preset, absl::string_view dataset) {
  if (preset == "quick") return Quick();
  if (preset == "camvid") return CamVid();
  if (preset == "paper") return Paper(dataset);
  return absl::InvalidArgumentError(absl::StrCat("--preset=", preset, " is unknown; choose quick, camvid or paper"));
}

RunOptions SupervisedTwin(const RunOptions& options) {
  RunOptions twin = options;
  twin.name = "PSL";
  twin.supervision = Supervision::kLabels;
  twin.reward_command.clear();
  twin.training.last_layer_factor = 1;  // the factor is part of the image-level method (paper §5.2.2)
  return twin;
}

std::vector<std::pair<std::string, std::string>> Describe(const RunOptions& options) {
  const TrainingOptions& training = options.training;
  auto yes = [](bool value) { return std::string(value ? "yes" : "no"); };
  std::vector<std::pair<std::string, std::string>> settings = {
      {"dataset", options.data.name},
      {"model", DescribeNetwork(options.model)},
      {"precision", autograd::Name(options.precision)},
      {"crop", absl::StrCat(options.data.crop)},
      {"steps", absl::StrCat(training.steps)},
      {"batch size", absl::StrCat(training.batch_size)},
      {"optimizer", training.optimizer == OptimizerKind::kAdamW ? "AdamW" : "SGD"},
      {"learning rate", absl::StrCat(training.learning_rate)},
      {"warm-up steps", absl::StrCat(training.warm_up_steps)},
      {"decay power", absl::StrCat(training.power)},
      {"weight decay", absl::StrCat(training.weight_decay)},
      {"last-layer factor", absl::StrCat(training.last_layer_factor)},
      {"gradient clip", absl::StrCat(training.clip_norm)},
      {"moving average", absl::StrCat(training.average_decay)},
      {"seed", absl::StrCat(training.seed)},
  };
  if (options.drop_path.has_value()) settings.push_back({"stochastic depth", absl::StrCat(*options.drop_path)});
  if (options.supervision == Supervision::kLabels && options.auxiliary_weight > 0)
    settings.push_back({"auxiliary weight", absl::StrCat(options.auxiliary_weight)});
  if (options.supervision != Supervision::kLabels) settings.push_back({"samples N", absl::StrCat(options.samples)});
  if (options.supervision == Supervision::kImageReward) {
    settings.insert(settings.end(),
                    {{"scales (pixels a cell)", absl::StrJoin(options.scales, ", ")},
                     {"advantage", options.advantage == AdvantageKind::kGroupRelative ? "group relative (GRPO)"
                                   : options.advantage == AdvantageKind::kPosterior   ? "posterior"
                                                                                      : "pair-wise spatial difference"},
                     {"normalisation", options.normalisation == Normalisation::kNonZero ? "non-zero"
                                       : options.normalisation == Normalisation::kAll   ? "all"
                                                                                        : "none"},
                     {"reward classes", options.union_classes ? "label or map" : "label"},
                     {"progressive", yes(options.progressive)},
                     {"re-sampled share", absl::StrCat(options.resampled_share)},
                     {"entropy weight", absl::StrCat(options.entropy_weight)}});
  }
  if (options.supervision == Supervision::kImageReward && options.advantage == AdvantageKind::kPosterior)
    settings.push_back({"sharpness", absl::StrCat(options.sharpness)});
  if (!options.reward_command.empty()) settings.push_back({"reward", absl::StrCat("exec:", options.reward_command)});
  if (options.supervision == Supervision::kPixelReward)
    settings.push_back({"SyncAN", yes(options.synchronized_advantages)});
  if (options.multi_scale) settings.push_back({"scales and flips scored", "yes"});
  if (training.capture) settings.push_back({"recorded step", "yes"});
  if (!options.cold_start.empty()) settings.push_back({"cold start", options.cold_start});
  if (!options.init_weights.empty()) settings.push_back({"encoder weights", options.init_weights});
  return settings;
}

}  // namespace experiments::rss
