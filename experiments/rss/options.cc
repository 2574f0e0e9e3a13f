#include "experiments/rss/options.h"

#include "absl/strings/str_cat.h"
#include "experiments/settings/enum_text.h"

namespace experiments {
namespace {

using rss::RewardClasses;
using rss::Supervision;

constexpr EnumText<rl::Credit> kCredits[] = {
    {rl::Credit::kPairwise, "psd"}, {rl::Credit::kWholeMap, "grpo"}, {rl::Credit::kPosterior, "posterior"}};
constexpr EnumText<rl::Normalization> kNormalizations[] = {
    {rl::Normalization::kNonZero, "nonzero"}, {rl::Normalization::kAll, "all"}, {rl::Normalization::kNone, "none"}};
constexpr EnumText<Supervision> kSupervisions[] = {{Supervision::kLabels, "labels"},
                                                   {Supervision::kPixelReward, "pixel reward"},
                                                   {Supervision::kImageReward, "image reward"}};
constexpr EnumText<RewardClasses> kRewardClasses[] = {{RewardClasses::kTruth, "truth"},
                                                      {RewardClasses::kUnion, "union"}};

}  // namespace

template <>
struct SettingText<rl::Credit> : SettingTextOf<rl::Credit, 3, kCredits> {};
template <>
struct SettingText<rl::Normalization> : SettingTextOf<rl::Normalization, 3, kNormalizations> {};
template <>
struct SettingText<Supervision> : SettingTextOf<Supervision, 3, kSupervisions> {};
template <>
struct SettingText<RewardClasses> : SettingTextOf<RewardClasses, 2, kRewardClasses> {};

namespace rss {
namespace {

RssOptions Quick() {
  RssOptions options;
  options.group_size = 64;
  options.scales = {8, 4, 2};
  options.entropy_weight = 0.05;
  options.credit = rl::Credit::kPosterior;
  options.training.steps = 2000;
  options.training.batch_size = 16;
  options.gradient.learning_rate = 4e-3;
  options.gradient.warm_up_steps = 100;
  options.training.evaluate_every = 250;
  options.training.checkpoint_every = 500;
  return options;
}

RssOptions CamVid() {
  RssOptions options = Quick();
  options.data.name = "camvid";
  options.data.crop = 128;
  options.data.image_scale = 0.5;
  options.group_size = 32;
  options.scales = {16, 8, 4};
  options.training.batch_size = 8;
  options.training.steps = 4000;
  options.gradient.learning_rate = 3e-3;
  options.training.evaluate_every = 500;
  return options;
}

// Credit, models and schedules as the paper has them; what it leaves open (rate, batch, crop handling) follows iSeg,
// its authors' code base.
RssOptions Paper(absl::string_view dataset) {
  RssOptions options;
  options.data.name = std::string(dataset);
  options.data.crop = 0;  // as published
  options.network.model = "nano";
  options.group_size = 16;
  options.scales = {64, 32, 16, 8, 4};
  options.training.steps = 40000;
  options.training.batch_size = 16;
  options.training.loader_threads = 8;
  options.gradient.learning_rate = 1e-4;
  options.gradient.weight_decay = 0.05;
  options.gradient.warm_up_steps = 1500;
  options.gradient.last_layer_factor = 400;
  options.training.evaluate_every = 4000;
  options.training.evaluation_images = 500;
  options.training.checkpoint_every = 1000;
  return options;
}

}  // namespace

void RssOptions::Settings(SettingVisitor& visitor) {
  data.Settings(visitor);
  network.Settings(visitor);
  training.Settings(visitor);
  visitor.Group("RSS");
  visitor.Setting("group_size", group_size, "sampled maps per image and scale (N)", AtLeast(2)).Formerly("samples");
  visitor.Setting("reward_scales", scales, "pixels a cell of sampled maps; 1: full resolution", AtLeast(1))
      .Formerly("scales");
  visitor.Setting("advantage", credit, "psd (pair-wise spatial difference), grpo or posterior");
  visitor.Setting("normalization", normalization, "of psd: over nonzero, all or none").Formerly("normalisation");
  visitor.Setting("sharpness", sharpness, "with posterior, maps are drawn from softmax(sharpness·logits)", Above(0));
  visitor.Setting("reward_classes", reward_classes, "in a map's mIoU: of the truth, or of the union with the map");
  visitor.Setting("progressive", progressive, "coarse scales first, finer ones as training goes");
  visitor.Setting("resampled_share", resampled_share, "> 0: counterfactual pairs re-sample so many cells", In(0, 1));
  visitor.Setting("clip", clip, "of the probability ratio (GRPO's epsilon)", AtLeast(0));
  visitor.Setting("divergence_weight", divergence_weight, "of the KL to the policy that drew the batch", AtLeast(0));
  visitor.Setting("entropy_weight", entropy_weight, "of the policy's entropy (psd, grpo, pixel rewards)");
  reward.Settings(visitor);
  visitor.Setting("auxiliary_weight", auxiliary_weight, "with labels, of each auxiliary head's loss; 0: no head",
                  AtLeast(0));
  visitor.Setting("multi_scale", multi_scale, "score several scales and mirror images at the end, too");
  visitor.Setting("supervision", supervision, "what the learner sees").OfTheRow();
  visitor.Setting("synchronized_advantages", synchronized_advantages, "SyncAN").OfTheRow();
  gradient.Settings(visitor);
  windows.Settings(visitor);
}

absl::StatusOr<RssOptions> Preset(absl::string_view preset, absl::string_view dataset) {
  if (preset == "quick") return Quick();
  if (preset == "camvid") return CamVid();
  if (preset == "paper") return Paper(dataset);
  return WrongFlag(absl::StrCat("--preset=", preset, " is unknown; choose quick, camvid or paper"));
}

RssOptions SupervisedTwin(const RssOptions& options) {
  RssOptions twin = options;
  twin.supervision = Supervision::kLabels;
  twin.reward.command.clear();
  twin.gradient.last_layer_factor = 1;  // the factor is part of the image-level method (paper §5.2.2)
  return twin;
}

}  // namespace rss
}  // namespace experiments
