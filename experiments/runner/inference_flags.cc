#include "experiments/runner/inference_flags.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace experiments {

std::vector<double> PublishedScales() { return {0.5, 0.75, 1, 1.25, 1.5, 1.75}; }

void WindowFlags::Settings(SettingVisitor& visitor) {
  visitor.Group("Inference");
  visitor.Setting("window", window, "side of sliding windows; 0: whole images", AtLeast(0));
  visitor.Setting("stride", stride, "between windows; default: two thirds of the window", AtLeast(1));
  visitor.Setting("average_logits", average_logits, "average logits (iSeg), not probabilities (mmseg)");
}

absl::StatusOr<InferenceOptions> WindowFlags::Override(InferenceOptions inference) const {
  if (window.has_value() && *window != inference.window) {
    inference.window = *window;
    inference.stride = 0;
  }
  if (stride.has_value()) inference.stride = *stride;
  if (average_logits.has_value()) inference.average_logits = *average_logits;
  if (inference.window == 0 && stride.has_value())
    return WrongFlag(absl::StrCat("--stride=", *stride, " has no effect without --window"));
  if (inference.stride > inference.window)
    return WrongFlag(absl::StrCat("--stride=", inference.stride, " leaves pixels between windows of --window=",
                                  inference.window, " that none of them covers"));
  return inference;
}

void ViewFlags::Settings(SettingVisitor& visitor) {
  visitor.Group("Inference");
  visitor.Setting("multi_scale", multi_scale, "average over --test_scales");
  visitor
      .Setting("test_scales", test_scales, "shares of the image's size; default: 0.5,0.75,1,1.25,1.5,1.75",
               Bounds{0, 8, true})
      .Formerly("scales");
  visitor.Setting("flip", flip, "average with the mirrored image");
  windows.Settings(visitor);
}

absl::StatusOr<InferenceOptions> ViewFlags::Override(InferenceOptions inference) const {
  if (!multi_scale && !test_scales.empty()) return WrongFlag("--test_scales has no effect without --multi_scale");
  if (multi_scale) {
    const double base = inference.scales.front();
    inference.scales.clear();
    for (double scale : test_scales.empty() ? PublishedScales() : test_scales) inference.scales.push_back(scale * base);
  }
  inference.flip |= flip;
  return windows.Override(std::move(inference));
}

std::vector<std::string> OtherThanInTraining(const InferenceOptions& in_training, const InferenceOptions& now) {
  InferenceOptions before = in_training, after = now;
  after.scales = before.scales;
  SettingVisitor settings_before, settings_after;
  before.Settings(settings_before);
  after.Settings(settings_after);
  std::vector<std::string> notes;
  for (size_t i = 0; i < settings_after.settings().size(); ++i) {
    const BoundSetting &earlier = settings_before.settings()[i], &setting = settings_after.settings()[i];
    if (setting.text() != earlier.text())
      notes.push_back(absl::StrCat("--", setting.name, "=", setting.text(), " here, ", earlier.text(), " in training"));
  }
  return notes;
}

}  // namespace experiments
