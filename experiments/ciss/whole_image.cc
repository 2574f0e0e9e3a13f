#include "experiments/ciss/whole_image.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops/concatenate.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/resize.h"
#include "data/transforms/resize.h"
#include "seg/models/context_map.h"
#include "seg/rewards/label_batch.h"

namespace experiments::ciss {

using autograd::Array;
using autograd::Variable;

seg::CissNet* AsCissNet(Network& network) {
  auto* of_model = dynamic_cast<NetworkOf<seg::CissNet>*>(&network);
  return of_model == nullptr ? nullptr : &of_model->model();
}

WholeImage::WholeImage(seg::CissNet& net, const data::Image& image, const data::Normalization& normalization,
                       double image_scale)
    : height_(image.height), width_(image.width) {
  const auto scaled = [&](int size) { return std::max(1, static_cast<int>(std::lround(size * image_scale))); };
  const auto padded = [&](int size) {
    const int multiple = static_cast<int>(net.size_multiple());
    return (size + multiple - 1) / multiple * multiple;
  };
  scaled_height_ = scaled(height_);
  scaled_width_ = scaled(width_);
  padded_height_ = padded(scaled_height_);
  padded_width_ = padded(scaled_width_);
  std::vector<float> input(size_t{3} * padded_height_ * padded_width_);
  const bool resized = scaled_height_ != height_ || scaled_width_ != width_;
  data::NormalizeInto(resized ? data::ResizeImage(image, scaled_height_, scaled_width_) : image, normalization,
                      padded_height_, padded_width_, input.data());
  const Variable x(Array::FromHost({1, padded_height_, padded_width_, 3}, autograd::kFloat32, input.data()));
  domain_ = net.Read(net.Encode(x, {}).back(), {});
  grid_ = autograd::Shape({1, domain_.base.shape()[1], domain_.base.shape()[2]});
}

Array WholeImage::OnGrid(const data::LabelMap& label) const {
  std::vector<uint8_t> padded(size_t{1} * padded_height_ * padded_width_);
  data::PadLabelInto(data::ResizeLabel(label, scaled_height_, scaled_width_), padded_height_, padded_width_,
                     padded.data());
  return seg::LabelsAt(Array::From({1, padded_height_, padded_width_}, padded), grid_[1], grid_[2]);
}

data::LabelMap WholeImage::Labels(const Variable& logits) const {
  Variable scores = autograd::ResizeBilinear(logits, padded_height_, padded_width_);
  if (padded_height_ != scaled_height_) scores = autograd::Slice(scores, 1, 0, scaled_height_);
  if (padded_width_ != scaled_width_) scores = autograd::Slice(scores, 2, 0, scaled_width_);
  scores = autograd::ResizeBilinear(scores, height_, width_);
  data::LabelMap labels(height_, width_);
  labels.values = autograd::ArgMax(scores.array(), autograd::kUInt8).ToVector<uint8_t>();
  return labels;
}

data::LabelMap WholeImage::Enlarged(const Array& map) const {
  const std::vector<uint8_t> cells = map.ToVector<uint8_t>();
  data::LabelMap labels(height_, width_);
  for (int y = 0; y < height_; ++y) {
    const int64_t row = int64_t{y} * scaled_height_ / height_ * grid_[1] / padded_height_;
    for (int x = 0; x < width_; ++x)
      labels.Row(y)[x] = cells[row * grid_[2] + int64_t{x} * scaled_width_ / width_ * grid_[2] / padded_width_];
  }
  return labels;
}

std::vector<ContextStep> TraceContext(seg::CissNet& net, const data::Image& image,
                                      const data::Normalization& normalization, double image_scale,
                                      const autograd::RandomKey& key) {
  const WholeImage whole(net, image, normalization, image_scale);
  std::vector<ContextStep> steps;
  Variable logits = whole.domain().base;
  for (int64_t t = 0;; ++t) {
    steps.push_back({whole.Labels(logits), {}});
    if (t == net.inference.steps) return steps;
    const Array map =
        net.Context(whole.domain(), logits, net.inference.choice, {.key = key.Split(static_cast<uint64_t>(t))});
    data::LabelMap& context = steps.back().context = whole.Enlarged(map);
    // K has classes from 1 on.
    for (uint8_t& value : context.values) value = value == 0 ? data::kVoidLabel : static_cast<uint8_t>(value - 1);
    logits = net.Segment(whole.domain(), map, {});
  }
}

}  // namespace experiments::ciss
