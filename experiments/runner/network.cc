#include "experiments/runner/network.h"

#include "absl/strings/str_cat.h"
#include "autograd/runtime/error.h"

namespace experiments {

absl::Status Network::CheckTrainingShape(int64_t batch, int64_t height, int64_t width, int64_t ranks) const {
  autograd::Require(batch >= 1 && ranks >= 1, "CheckTrainingShape", batch, " images on ", ranks, " ranks");
  const auto trains = [&](int64_t images, int64_t h, int64_t w) {
    const std::optional<seg::NormExtent> norm = SmallestNorm(h, w);
    return !norm.has_value() || images * ranks * norm->values > 1;
  };
  if (trains(batch, height, width)) return absl::OkStatus();

  // Of side 1 × 1 to 2 × 2 at the coarsest stride.
  std::string crop;
  for (const int64_t side : {size_multiple(), 2 * size_multiple()}) {
    if (crop.empty() && trains(batch, side, side)) crop = absl::StrCat("--crop=", side);
  }
  const seg::NormExtent norm = *SmallestNorm(height, width);
  const std::string where =
      absl::StrCat("the batch norm of the ", norm.place, " (", description(), ", crops of ", width, "×", height, ")");
  if (norm.values == 0)
    return absl::InvalidArgumentError(absl::StrCat("--crop leaves no pixel to ", where, "; ", crop, " would do"));
  return absl::InvalidArgumentError(absl::StrCat("--batch_size=", batch, " leaves one value a channel to ", where,
                                                 "; --batch_size=", batch + 1, crop.empty() ? "" : " or ", crop,
                                                 " would do"));
}

}  // namespace experiments
