#include "experiments/runner/inference_flags.h"

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

ABSL_FLAG(bool, multi_scale, false, "average over --scales");
ABSL_FLAG(std::vector<std::string>, scales, std::vector<std::string>({"0.5", "0.75", "1", "1.25", "1.5", "1.75"}),
          "with --multi_scale: shares of the image's size");
ABSL_FLAG(bool, flip, false, "average with the mirrored image");
ABSL_FLAG(int, window, 0, "side of sliding windows; 0 takes whole images");
ABSL_FLAG(int, stride, 0, "between windows; 0 is two thirds of the window");
ABSL_FLAG(absl::optional<bool>, average_logits, absl::nullopt,
          "average logits (iSeg) or probabilities (mmsegmentation); by default as published numbers on the dataset do");

namespace experiments {

absl::StatusOr<InferenceOptions> InferenceFromFlags(const InferenceOptions& defaults) {
  InferenceOptions options = defaults;
  if (absl::GetFlag(FLAGS_multi_scale)) {
    options.scales.clear();
    for (const std::string& text : absl::GetFlag(FLAGS_scales)) {
      double scale = 0;
      if (!absl::SimpleAtod(text, &scale) || !(scale > 0 && scale <= 8))
        return absl::InvalidArgumentError(absl::StrCat("--scales: '", text, "' is not a scale in (0, 8]"));
      options.scales.push_back(scale * defaults.scales[0]);
    }
    if (options.scales.empty()) return absl::InvalidArgumentError("--scales is empty");
  }
  options.flip = absl::GetFlag(FLAGS_flip);
  options.window = absl::GetFlag(FLAGS_window);
  options.stride = absl::GetFlag(FLAGS_stride);
  options.average_logits = absl::GetFlag(FLAGS_average_logits).value_or(defaults.average_logits);
  if (options.window < 0 || options.stride < 0)
    return absl::InvalidArgumentError("--window and --stride must not be negative");
  return options;
}

}  // namespace experiments
