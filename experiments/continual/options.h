#pragma once

// One run of the continual experiments as a value: a network that is taught a dataset's classes task by task, with or
// without a latent policy (experiments/latent/options.h). Presets are functions that return one.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "experiments/latent/options.h"
#include "experiments/settings/settings.h"
#include "seg/continual/local_pod.h"
#include "seg/continual/protocol.h"
#include "seg/continual/pseudo_labels.h"

namespace experiments::continual {

// How a task after the first is taught.
enum class Method : uint8_t {
  kFineTuning,  // from what its labels say: the floor
  kMib,         // unbiased cross-entropy and distillation of probabilities (Cermelli et al., CVPR 2020)
  kPlop,        // pseudo-labels and Local POD (Douillard et al., CVPR 2021)
  kJoint,       // all classes at once, in as many steps as all tasks together, or in `epochs`: the ceiling
};

// training.steps are those of the first task, gradient.learning_rate its rate.
struct ContinualOptions : latent::LatentOptions {
  std::string protocol = "13-1";  // of the dataset's (seg/continual/protocol.h)
  seg::ContinualSetting images = seg::ContinualSetting::kOverlapped;
  Method method = Method::kPlop;
  bool first_task_alone = false;  // a start for rows that differ in later tasks alone
  int64_t later_steps = 100;      // of each task after the first; no more than a tenth of a task warms up
  // Where they are above 0, the steps of the first task and of each later one are so many passes over its images.
  double epochs = 0, later_epochs = 0;
  double later_rate = 1e-3;            // learning rate of tasks after the first
  double later_last_layer_factor = 1;  // of it, for the layer that makes the logits

  // PLOP
  seg::EntropyReading entropy = seg::EntropyReading::kPaper;  // of pseudo-labels' thresholds
  bool pseudo_labels = true;                                  // else background pixels stay background
  bool adaptive_factor = true;                                // ν of an image's cross-entropy
  int64_t threshold_images = 0;  // of a task that thresholds are measured on; 0: one pass over all
  double feature_weight = seg::VocDistillation().map_weight;   // of Local POD on each map
  double logit_weight = seg::VocDistillation().logits_weight;  // of Local POD on the logits
  // MiB
  double distillation_weight = 10;

  // Training crops are PLOP's (data::RandomResizedCrop, and mirrored), in the place of the dataset's augmentation.
  bool area_crops = false;
  // The short side, and the side of the centre crop, that validation images and labels are brought to, as PLOP
  // publishes its scores; 0: whole images.
  int evaluation_crop = 0;

  void Settings(SettingVisitor& visitor);
};

// quick: embedded scenes on a CPU in minutes; camvid: real photographs on a CPU; paper: PLOP's recipe for `dataset`,
// for a GPU.
absl::StatusOr<ContinualOptions> Preset(absl::string_view preset, absl::string_view dataset);

}  // namespace experiments::continual
