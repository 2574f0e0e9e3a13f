#include "experiments/rss/label_reward.h"

#include <utility>

namespace experiments::rss {

using autograd::Array;

absl::StatusOr<std::vector<float>> MeanIouReward::Score(std::span<const int64_t> image_ids,
                                                        const rl::SampledMaps& maps) {
  autograd::Require(maps.height == batch_->height && maps.width == batch_->width, "MeanIouReward", "maps of ",
                    maps.height, "×", maps.width, " for labels of ", batch_->height, "×", batch_->width);
  std::vector<const uint8_t*> truths;
  truths.reserve(image_ids.size());
  for (int64_t slot : image_ids) truths.push_back(batch_->labels.data() + slot * maps.height * maps.width);
  return seg::MeanIouOfMaps(truths, maps.cells, maps.height, maps.width, maps.grid_height, maps.grid_width, classes_,
                            class_set_);
}

absl::StatusOr<rl::PixelScores> LabelMatchReward::Score(std::span<const int64_t> image_ids, const Array& actions) {
  const autograd::Shape& shape = actions.shape();  // [n, b, h, w]
  const int64_t samples = shape[0], images = shape[1], pixels = shape[2] * shape[3];
  autograd::Require(pixels == static_cast<int64_t>(batch_->height) * batch_->width, "LabelMatchReward", "actions ",
                    shape, " for labels of ", batch_->height, "×", batch_->width);
  Array valid = Array::Empty({images, shape[2], shape[3]}, autograd::kUInt8),
        rewards = Array::Empty(shape, autograd::kFloat32);
  for (int64_t b = 0; b < images; ++b) {
    const uint8_t* label = batch_->labels.data() + image_ids[b] * pixels;
    uint8_t* counts = valid.data<uint8_t>() + b * pixels;
    for (int64_t p = 0; p < pixels; ++p) counts[p] = label[p] != data::kVoidLabel;
    for (int64_t n = 0; n < samples; ++n) {
      const uint8_t* action = actions.data<uint8_t>() + (n * images + b) * pixels;
      float* reward = rewards.data<float>() + (n * images + b) * pixels;
      for (int64_t p = 0; p < pixels; ++p) reward[p] = action[p] == label[p] ? 1.0f : 0.0f;
    }
  }
  return rl::PixelScores{std::move(rewards), std::move(valid)};
}

}  // namespace experiments::rss
