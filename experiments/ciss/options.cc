#include "experiments/ciss/options.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "experiments/runner/context_flags.h"

namespace experiments {
namespace ciss {
namespace {

CissOptions Quick() {
  CissOptions options;
  options.data.crop = 128;
  options.data.scene_classes = 10;
  options.network.model = "ciss_micro";
  options.training.steps = 300;
  options.training.batch_size = 16;
  options.training.evaluate_every = 100;
  options.training.evaluation_images = 64;
  options.training.checkpoint_every = 200;
  options.gradient.learning_rate = 2e-3;
  options.gradient.warm_up_steps = 50;
  options.pretraining_steps = 500;
  // What selects best here (docs/ciss_context.md): each context against others of its state, for what it did at once.
  options.rollout = 2;
  options.group_size = 4;
  options.greedy_rollout = true;
  options.discount = 0;
  options.reward_window = 1;
  return options;
}

CissOptions CamVid() {
  CissOptions options = Quick();
  options.data.name = "camvid";
  options.data.image_scale = 0.5;
  options.training.steps = options.pretraining_steps = 2000;
  options.training.evaluate_every = 250;
  options.training.checkpoint_every = 500;
  return options;
}

// As the paper's §3.2 has it, but for its crops of 473 and 713, here the nearest multiples of 32. What it leaves open
// (decay of the rate, momentum, weight decay, length) follows semseg, PSPNet's own code, whose network makes the
// features.
CissOptions Paper(absl::string_view dataset) {
  const bool ade20k = dataset == "ade20k", cityscapes = dataset == "cityscapes";
  CissOptions options;
  options.data.name = std::string(dataset);
  options.data.crop = ade20k ? 480 : cityscapes ? 704 : 0;
  options.network.model = cityscapes ? "ciss_resnet101" : "ciss_resnet50";
  options.pretraining_steps = options.training.steps = ade20k       ? 63000
                                                       : cityscapes ? 18600
                                                                    : 15600;  // 100, 200 and 100 epochs of 32 images
  options.training.batch_size = 32;
  options.training.loader_threads = 8;
  options.training.evaluate_every = 2000;
  options.training.evaluation_images = 500;
  options.training.checkpoint_every = 1000;
  options.gradient.optimizer = OptimizerKind::kSgd;
  options.gradient.learning_rate = ade20k ? 2e-3 : 5e-4;  // of Base
  options.context_rate_factor = 0.1;                      // Bias and C-Net
  options.gradient.momentum = 0.9;
  options.gradient.weight_decay = 1e-4;
  options.gradient.warm_up_steps = 0;
  options.gradient.clip_norm = 0;
  return options;
}

}  // namespace

void CissOptions::Settings(SettingVisitor& visitor) {
  data.Settings(visitor);
  network.Settings(visitor);
  training.Settings(visitor);
  visitor.Setting("workers", workers, "asynchronous actor-learners; 1 is repeatable", AtLeast(1));
  visitor.Group("CiSS-Net");
  ContextSettings(visitor, context);
  // What the rows of the tables differ by.
  for (const char* name : {"context", "confidence"}) visitor.Find(name)->OfTheRow();
  visitor.Setting("rollout", rollout, "contexts a training image goes through (T)", AtLeast(0));
  visitor.Setting("discount", discount, "of later rewards (gamma)", In(0, 1));
  visitor.Setting("entropy_weight", entropy_weight, "of the policy's entropy (lambda 2)", AtLeast(0));
  visitor.Setting("segmentation_weight", segmentation_weight, "of the cross-entropy (lambda 1)", AtLeast(0));
  visitor.Setting("right_context", right_context, "reward of adopting what is right (beta 1)");
  visitor.Setting("uncertain", uncertain, "reward of leaving a pixel uncertain (beta 2)");
  visitor.Setting("reward_window", reward_window, "side of the window of Eq. 4 in cells of the grid, odd", AtLeast(1));
  visitor.Setting("group_size", group_size, "contexts of one state, each against their mean; 1: the critic",
                  AtLeast(1));
  visitor.Setting("greedy_rollout", greedy_rollout,
                  "with a group, S-Net learns from greedy contexts, not from a drawn one");
  visitor.Setting("initial_value", initial_value, "what an untrained critic says");
  visitor.Setting("normalized_advantages", normalized_advantages, "to mean 0 and deviation 1 over the batch");
  visitor.Setting("drawn_labels", drawn_labels, "training's contexts are made of labels drawn from the softmax");
  visitor.Setting("random_first", random_first, "share of the steps with random contexts, before C-Net learns",
                  In(0, 1));
  visitor.Setting("context_rate_factor", context_rate_factor, "of the learning rate, for Bias and C-Net", AtLeast(0));
  visitor.Setting("pretraining_steps", pretraining_steps, "on labels, of the PSPNet that the features come from",
                  AtLeast(1));
  visitor.Setting("auxiliary_weight", auxiliary_weight, "of PSPNet's auxiliary head, in pre-training; 0: no head",
                  AtLeast(0));
  visitor.Setting("analysis", analysis, "say at the end what was adopted, and what other contexts would give");
  visitor.Setting("pretraining", pretraining, "of the features, from labels").OfTheRow();
  gradient.Settings(visitor);
  windows.Settings(visitor);
}

absl::StatusOr<CissOptions> Preset(absl::string_view preset, absl::string_view dataset) {
  if (preset == "quick") return Quick();
  if (preset == "camvid") return CamVid();
  if (preset == "paper") return Paper(dataset);
  return WrongFlag(absl::StrCat("--preset=", preset, " is unknown; choose quick, camvid or paper"));
}

}  // namespace ciss
}  // namespace experiments
