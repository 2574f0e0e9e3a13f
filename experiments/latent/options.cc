#include "experiments/latent/options.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "experiments/settings/enum_text.h"

namespace experiments {

constexpr EnumText<latent::Source> kSources[] = {
    {latent::Source::kPolicy, "policy"}, {latent::Source::kZero, "zero"}, {latent::Source::kNoise, "noise"}};
template <>
struct SettingText<latent::Source> : SettingTextOf<latent::Source, 3, kSources> {};

constexpr EnumText<rl::Baseline> kBaselines[] = {{rl::Baseline::kZero, "zero"},
                                                 {rl::Baseline::kBatchMean, "batch"},
                                                 {rl::Baseline::kMovingAverage, "average"},
                                                 {rl::Baseline::kLeaveOneOut, "leave_one_out"},
                                                 {rl::Baseline::kMode, "mode"}};
template <>
struct SettingText<rl::Baseline> : SettingTextOf<rl::Baseline, 5, kBaselines> {};

constexpr EnumText<rl::Reduction> kReductions[] = {{rl::Reduction::kSum, "sum"}, {rl::Reduction::kMean, "mean"}};
template <>
struct SettingText<rl::Reduction> : SettingTextOf<rl::Reduction, 2, kReductions> {};

namespace latent {
namespace {

LatentOptions Quick() {
  LatentOptions options;
  options.data.crop = 64;
  options.data.scene_classes = 8;
  options.network.model = "fcn_micro";
  options.training.steps = 400;
  options.training.batch_size = 16;
  options.training.evaluate_every = 100;
  options.training.evaluation_images = 64;
  options.training.checkpoint_every = 200;
  options.gradient.learning_rate = 2e-3;
  options.gradient.warm_up_steps = 50;
  // Of the micro networks' 256 channels; the blocks cost more than the network otherwise.
  options.latent.config.policy.width = 64;
  return options;
}

LatentOptions CamVid() {
  LatentOptions options = Quick();
  options.data.name = "camvid";
  options.data.image_scale = 0.5;
  options.data.crop = 128;
  options.training.steps = 2000;
  options.training.batch_size = 8;
  options.training.evaluate_every = 250;
  options.training.checkpoint_every = 500;
  return options;
}

// SSSegmentation's model zoo, whose FCN on ResNet-50 is the paper's baseline, and the paper's reading of the policy:
// blocks as wide as the features, log π summed over all numbers of a draw, and gradients that reach the encoder. What
// the paper leaves open (τ, η, ε, β, the clamp, α's first value, P_h × P_w) keeps its value here.
LatentOptions Paper(absl::string_view dataset) {
  const bool ade20k = dataset == "ade20k", cityscapes = dataset == "cityscapes", lip = dataset == "lip";
  LatentOptions options;
  options.data.name = std::string(dataset);
  options.data.crop = 0;
  options.network.model = "fcn_resnet50_sss";
  // 60 epochs of VOC and LIP, 130 and 220 of the others.
  options.training.steps = ade20k ? 164206 : cityscapes ? 81812 : lip ? 114232 : 39682;
  options.training.batch_size = cityscapes ? 8 : 16;
  options.training.loader_threads = 8;
  options.training.evaluate_every = 4000;
  options.training.evaluation_images = 500;
  options.training.checkpoint_every = 2000;
  options.auxiliary_weight = 0.4;
  options.gradient.optimizer = OptimizerKind::kSgd;
  options.gradient.learning_rate = 0.01;
  options.gradient.momentum = 0.9;
  options.gradient.weight_decay = 5e-4;
  options.gradient.power = 0.9;
  options.gradient.final_rate = 0.01;
  options.gradient.warm_up_steps = 0;
  options.gradient.clip_norm = 0;
  options.latent.config.policy.width = 0;
  options.latent.config.policy.map_scale = 1;
  options.reduction = rl::Reduction::kSum;
  options.stop_latent = false;
  return options;
}

}  // namespace

void LatentOptions::Settings(SettingVisitor& visitor) {
  data.Settings(visitor);
  network.Settings(visitor);
  training.Settings(visitor);
  visitor.Group("Latent policy");
  visitor.Setting("modulated", modulated, "with a policy; otherwise the network as it is").OfTheRow();
  latent.Settings(visitor);
  visitor.Setting("source", source, "of the signal in training: policy, zero, noise").OfTheRow();
  visitor.Setting("noise_deviation", noise_deviation, "with the source noise", AtLeast(0));
  visitor.Setting("frozen_policy", frozen_policy, "the policy stays as it was at first").OfTheRow();
  visitor.Setting("pathwise", pathwise, "the cross-entropy's gradient reaches the policy through its draws");
  visitor.Setting("stop_latent", stop_latent, "no loss reaches the encoder through the policy");
  visitor.Setting("segmentation_weight", segmentation_weight, "of the cross-entropy", AtLeast(0));
  visitor.Setting("policy_weight", policy_weight, "of the clipped surrogate (lambda_P)", AtLeast(0));
  visitor.Setting("divergence_weight", divergence_weight, "of KL(pi_old, pi) (lambda_KL)", AtLeast(0));
  visitor.Setting("beta", beta, "a factor of the same", AtLeast(0));
  visitor.Setting("soft_iou_weight", soft_iou_weight, "of 1 - soft IoU, which has a gradient of its own", AtLeast(0));
  visitor.Setting("draws", draws, "of an image, each decoded", AtLeast(1));
  visitor.Setting("baseline", baseline, "of the reward: zero, batch, average, leave_one_out, mode");
  visitor.Setting("baseline_decay", baseline_decay, "of the average (tau)", Below(0, 1));
  visitor.Setting("advantage_low", advantage_low, "the least advantage");
  visitor.Setting("advantage_high", advantage_high, "the largest");
  visitor.Setting("reference_decay", reference_decay, "of pi_old's parameters (eta)", Below(0, 1));
  visitor.Setting("clip", clip, "of the ratio pi/pi_old (epsilon)", In(0, 1));
  visitor.Setting("reduction", reduction, "of log pi over the numbers of a draw: sum or mean");
  visitor.Setting("largest_log_ratio", largest_log_ratio, "bound of log(pi/pi_old) before it is exponentiated",
                  Above(0));
  visitor.Setting("reward_iou", reward.iou, "weight of IoU in the reward");
  visitor.Setting("reward_dice", reward.dice, "weight of Dice");
  visitor.Setting("reward_cross_entropy", reward.cross_entropy, "weight of exp(-CE)");
  visitor.Setting("reward_boundary", reward.boundary, "weight of the boundaries' F");
  visitor.Setting("boundary_tolerance", boundary_tolerance, "of the same, as a share of the diagonal", AtLeast(0));
  visitor.Setting("probe_every", probe_every, "steps between measurements of the policy's gradient; 0: none",
                  AtLeast(0));
  visitor.Setting("auxiliary_weight", auxiliary_weight, "of the auxiliary heads' cross-entropy; 0: no such heads",
                  AtLeast(0));
  visitor.Setting("head_rate_factor", head_rate_factor, "of the learning rate, for all but the encoder", Above(0));
  gradient.Settings(visitor);
  windows.Settings(visitor);
  visitor.Group("Targets");
  // A trained network may be scored on others.
  visitor
      .Setting("target", targets, "scored on as well, never trained on: scenes:night scenes:haze scenes:other NAME=DIR")
      .Role(SettingRole::kLength);
}

absl::StatusOr<LatentOptions> Preset(absl::string_view preset, absl::string_view dataset) {
  if (preset == "quick") return Quick();
  if (preset == "camvid") return CamVid();
  if (preset == "paper") return Paper(dataset);
  return WrongFlag(absl::StrCat("--preset=", preset, " is unknown; choose quick, camvid or paper"));
}

absl::StatusOr<LatentOptions> CrossDomainPreset(absl::string_view preset, absl::string_view dataset) {
  absl::StatusOr<LatentOptions> options = Preset(preset, dataset);
  if (!options.ok()) return options;
  if (preset == "quick") {
    options->training.steps = 1000;
    options->training.evaluate_every = 250;
    options->training.checkpoint_every = 500;
    options->targets = {"scenes:night", "scenes:haze", "scenes:other"};
  } else if (preset == "camvid") {
    options->data.name = "camvid_day";
    options->targets = {"camvid_dusk"};
  }
  return options;
}

}  // namespace latent
}  // namespace experiments
