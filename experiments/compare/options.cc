#include "experiments/compare/options.h"

#include "absl/strings/str_cat.h"
#include "experiments/settings/enum_text.h"

namespace experiments {

constexpr EnumText<compare::Method> kMethods[] = {{compare::Method::kLabels, "labels"},
                                                  {compare::Method::kBalanced, "balanced labels"},
                                                  {compare::Method::kRss, "RSS"},
                                                  {compare::Method::kCiss, "CiSS-Net"},
                                                  {compare::Method::kLatent, "latent policy"}};
template <>
struct SettingText<compare::Method> : SettingTextOf<compare::Method, 5, kMethods> {};

namespace compare {
namespace {

// What all rows share. The paper's options may have been made for other data.
template <typename Options>
Options Shared(Options options, const CompareOptions& base, const char* family) {
  options.data = base.data;
  options.network.model = absl::StrCat(family, base.encoder);
  options.training = base.training;
  options.gradient = base.gradient;
  options.windows = base.windows;
  return options;
}

CompareOptions Quick() {
  CompareOptions options;
  options.data.crop = 64;
  options.data.scene_classes = 8;
  options.training.steps = 600;
  options.training.batch_size = 16;
  options.training.evaluate_every = 150;
  options.training.evaluation_images = 64;
  options.training.checkpoint_every = 300;
  options.gradient.learning_rate = 2e-3;
  options.gradient.warm_up_steps = 50;
  return options;
}

CompareOptions CamVid() {
  CompareOptions options = Quick();
  options.data.name = "camvid";
  options.data.image_scale = 0.5;
  options.data.crop = 128;
  options.training.steps = 2000;
  options.training.batch_size = 8;
  options.training.evaluate_every = 500;
  options.training.checkpoint_every = 500;
  options.counted_images = 0;
  return options;
}

}  // namespace

void CompareOptions::Settings(SettingVisitor& visitor) {
  visitor.Setting("teacher", method, "of the network").OfTheRow();
  data.Settings(visitor);
  visitor.Group("Network");
  visitor.Setting("encoder", encoder, "of the PSPNet that all rows have: micro, resnet50, …");
  training.Settings(visitor);
  visitor.Setting("counted_images", counted_images, "training images that classes are weighed by; 0: all", AtLeast(0));
  gradient.Settings(visitor);
  windows.Settings(visitor);
}

rss::RssOptions CompareOptions::Rss(rss::Supervision supervision) const {
  rss::RssOptions options = Shared(*rss::Preset(PresetName(), data.name), *this, "pspnet_");
  options.supervision = supervision;
  return options;
}

ciss::CissOptions CompareOptions::Ciss() const {
  return Shared(*ciss::Preset(PresetName(), data.name), *this, "ciss_");
}

latent::LatentOptions CompareOptions::Latent() const {
  return Shared(*latent::Preset(PresetName(), data.name), *this, "pspnet_");
}

absl::StatusOr<CompareOptions> Preset(absl::string_view preset, absl::string_view) {
  if (preset == "quick") return Quick();
  if (preset == "camvid") return CamVid();
  return WrongFlag(absl::StrCat("--preset=", preset, " is unknown; choose quick or camvid"));
}

}  // namespace compare
}  // namespace experiments
