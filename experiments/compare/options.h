#pragma once

// One way to teach one network: what differs between the rows of the comparison, and what they share.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "experiments/ciss/options.h"
#include "experiments/latent/options.h"
#include "experiments/rss/options.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/gradient_options.h"
#include "experiments/runner/inference_flags.h"
#include "experiments/runner/training_options.h"
#include "experiments/settings/settings.h"

namespace experiments::compare {

enum class Method : uint8_t {
  kLabels,    // cross-entropy
  kBalanced,  // cross-entropy in which each class counts alike, as it does in the mIoU that RSS is paid by
  kRss,       // the mIoU of sampled maps
  kCiss,      // context chosen by an agent, on features that labels have taught for half the budget
  kLatent,    // a policy on the latent features
};

struct CompareOptions {
  Method method = Method::kLabels;
  // Of all rows: a PSPNet on this encoder (for CiSS-Net what it has in the place of PSPNet's head).
  std::string encoder = "micro";
  DataOptions data;
  TrainingOptions training;
  GradientOptions gradient;
  WindowFlags windows;
  int64_t counted_images = 256;  // training images that the class weights are counted over

  void Settings(SettingVisitor& visitor);

  // What each paper's own program would run: its preset for the same kind of data, with what all rows share.
  rss::RssOptions Rss(rss::Supervision supervision) const;
  ciss::CissOptions Ciss() const;
  latent::LatentOptions Latent() const;

 private:
  const char* PresetName() const { return data.name == "scenes" ? "quick" : "camvid"; }
};

absl::StatusOr<CompareOptions> Preset(absl::string_view preset, absl::string_view dataset);

}  // namespace experiments::compare
