#include "experiments/continual/options.h"

#include "absl/strings/str_cat.h"
#include "experiments/settings/enum_text.h"

namespace experiments {

constexpr EnumText<continual::Method> kMethods[] = {{continual::Method::kFineTuning, "fine_tuning"},
                                                    {continual::Method::kMib, "mib"},
                                                    {continual::Method::kPlop, "plop"},
                                                    {continual::Method::kJoint, "joint"}};
template <>
struct SettingText<continual::Method> : SettingTextOf<continual::Method, 4, kMethods> {};

constexpr EnumText<seg::ContinualSetting> kTaskImages[] = {{seg::ContinualSetting::kOverlapped, "overlapped"},
                                                           {seg::ContinualSetting::kDisjoint, "disjoint"}};
template <>
struct SettingText<seg::ContinualSetting> : SettingTextOf<seg::ContinualSetting, 2, kTaskImages> {};

constexpr EnumText<seg::EntropyReading> kReadings[] = {{seg::EntropyReading::kPaper, "paper"},
                                                       {seg::EntropyReading::kReleasedCode, "released"}};
template <>
struct SettingText<seg::EntropyReading> : SettingTextOf<seg::EntropyReading, 2, kReadings> {};

namespace continual {
namespace {

ContinualOptions Quick() {
  ContinualOptions options;
  static_cast<latent::LatentOptions&>(options) = *latent::Preset("quick", "scenes");
  options.modulated = false;
  options.data.crop = 64;
  options.data.scene_classes = 23;  // 18 things
  options.data.scene_things = true;
  options.data.scene_images = 2000;
  options.network.model = "deeplabv3_micro";
  options.protocol = "13-1";
  options.training.steps = 900;
  options.training.batch_size = 16;
  options.training.evaluate_every = 0;
  options.training.checkpoint_every = 200;
  options.later_steps = 80;
  options.gradient.learning_rate = 8e-3;
  options.later_rate = 2e-4;
  // A few steps have to part a new class from the background, out of which it begins.
  options.later_last_layer_factor = 10;
  options.threshold_images = 512;
  return options;
}

ContinualOptions CamVid() {
  ContinualOptions options = Quick();
  options.data.name = "camvid";
  options.data.scene_things = false;
  options.data.image_scale = 0.5;
  options.data.crop = 128;
  options.protocol = "6-5";
  options.training.steps = 1500;
  options.training.batch_size = 8;
  options.training.checkpoint_every = 500;
  options.later_steps = 500;
  options.threshold_images = 0;
  return options;
}

// PLOP's release (facts of its code: Douillard et al., 2021): SGD with Nesterov's momentum and weight decay 1e-4, rates
// 0.01 and 0.001, a polynomial of power 0.9 for each task, 24 images a step, crops of 512, 30 epochs a task on VOC (10
// of the later ones of 10-1) and 60 on ADE20K. Its network has in-place ABN with a leaky ReLU; here that is batch norm
// and ReLU, and the momentum is plain.
ContinualOptions Paper(absl::string_view dataset) {
  ContinualOptions options;
  static_cast<latent::LatentOptions&>(options) = *latent::Preset("paper", "voc2012");
  const bool ade20k = dataset == "ade20k";
  options.modulated = false;
  options.auxiliary_weight = 0;
  options.data.name = ade20k ? "ade20k" : "voc2012_aug";
  options.data.crop = 512;
  options.network.model = "deeplabv3_resnet101_plop";
  options.protocol = ade20k ? "100-10" : "15-1";
  options.training.batch_size = 24;
  options.epochs = options.later_epochs = ade20k ? 60 : 30;
  options.training.evaluate_every = 0;
  options.training.checkpoint_every = 2000;
  options.gradient.learning_rate = 0.01;
  options.later_rate = 0.001;
  options.gradient.weight_decay = 1e-4;
  options.gradient.final_rate = 0;
  if (ade20k) {
    options.feature_weight = seg::AdeDistillation().map_weight;
    options.logit_weight = seg::AdeDistillation().logits_weight;
  }
  options.entropy = seg::EntropyReading::kReleasedCode;
  options.area_crops = true;
  options.evaluation_crop = 512;
  return options;
}

}  // namespace

void ContinualOptions::Settings(SettingVisitor& visitor) {
  latent::LatentOptions::Settings(visitor);
  visitor.Group("Continual learning");
  visitor.Setting("protocol", protocol, "tasks by their classes: 15-5, 15-1, 10-1, …; 13-5, 13-1, 9-1 on the scenes");
  visitor.Setting("task_images", images, "of a task: overlapped (any with a class of it) or disjoint (no later class)");
  visitor.Setting("continual_method", method, "of tasks after the first: fine_tuning, mib, plop, joint").OfTheRow();
  visitor.Setting("first_task_alone", first_task_alone, "a start for other rows").OfTheRow();
  visitor.Setting("later_steps", later_steps, "of each task after the first", AtLeast(1));
  visitor.Setting("epochs", epochs, "of the first task, in the place of --steps where it is above 0", AtLeast(0))
      .InPlaceOf("steps");
  visitor.Setting("later_epochs", later_epochs, "of each later task, in the place of --later_steps", AtLeast(0))
      .InPlaceOf("later_steps");
  visitor.Setting("later_rate", later_rate, "learning rate of tasks after the first", Above(0));
  visitor.Setting("later_last_layer_factor", later_last_layer_factor,
                  "of later_rate, for the layer that makes the logits", Above(0));
  visitor.Setting("entropy", entropy, "of pseudo-labels: paper (median) or released (as PLOP's code computes it)");
  visitor.Setting("pseudo_labels", pseudo_labels, "PLOP's, in the place of background");
  visitor.Setting("adaptive_factor", adaptive_factor, "PLOP's, of an image's cross-entropy");
  visitor.Setting("threshold_images", threshold_images, "that a task's thresholds are measured on; 0: all, once",
                  AtLeast(0));
  visitor.Setting("feature_weight", feature_weight, "of Local POD on each map", AtLeast(0));
  visitor.Setting("logit_weight", logit_weight, "of Local POD on the logits", AtLeast(0));
  visitor.Setting("distillation_weight", distillation_weight, "of MiB's distillation", AtLeast(0));
  visitor.Setting("area_crops", area_crops, "training crops by their area, as PLOP's, without the dataset's colours");
  visitor.Setting("evaluation_crop", evaluation_crop, "short side and centre crop of validation; 0: whole images",
                  AtLeast(0));
}

absl::StatusOr<ContinualOptions> Preset(absl::string_view preset, absl::string_view dataset) {
  if (preset == "quick") return Quick();
  if (preset == "camvid") return CamVid();
  if (preset == "paper") return Paper(dataset);
  return WrongFlag(absl::StrCat("--preset=", preset, " is unknown; choose quick, camvid or paper"));
}

}  // namespace continual
}  // namespace experiments
