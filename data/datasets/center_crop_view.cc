#include "data/datasets/center_crop_view.h"

#include <algorithm>

#include "autograd/runtime/error.h"
#include "data/transforms/resize.h"

namespace data {

CenterCropView::CenterCropView(std::unique_ptr<Dataset> base, int side) : base_(std::move(base)), side_(side) {
  autograd::Require(side > 0, "CenterCropView", "a side of ", side);
}

absl::StatusOr<Sample> CenterCropView::Load(int64_t index) const {
  absl::StatusOr<Sample> sample = base_->Load(index);
  if (!sample.ok()) return sample;
  const int short_side = std::min(sample->image.height, sample->image.width);
  const auto resized = [&](int side) { return static_cast<int>(int64_t{side_} * side / short_side); };
  const int height = resized(sample->image.height), width = resized(sample->image.width);
  const Window middle = {(height - side_) / 2, (width - side_) / 2, side_, side_};
  sample->image = ResizeImageWindow(sample->image, height, width, middle);
  sample->label = CropLabel(ResizeLabel(sample->label, height, width), middle);
  return sample;
}

}  // namespace data
