#include "experiments/rss/label_reward.h"

#include <algorithm>
#include <utility>

#include "seg/rewards/mean_iou_reward.h"

namespace experiments::rss {
namespace {

using autograd::Array;

void RequireSize(const char* reward, const data::Batch& batch, int64_t height, int64_t width) {
  autograd::Require(height == batch.height && width == batch.width, reward, "maps of ", height, "×", width,
                    " for labels of ", batch.height, "×", batch.width);
}

}  // namespace

void BatchLabels::SetBatch(const data::Batch& batch) {
  batch_ = &batch;
  slots_.clear();
}

seg::LabelBatch& BatchLabels::Of(std::span<const int64_t> slots) {
  if (!slots_.empty() && std::ranges::equal(slots, slots_)) return labels_;
  slots_.assign(slots.begin(), slots.end());
  const int64_t pixels = static_cast<int64_t>(batch_->height) * batch_->width;
  std::vector<uint8_t> labels;
  labels.reserve(slots.size() * pixels);
  for (int64_t slot : slots) {
    const auto label = batch_->labels.begin() + slot * pixels;
    labels.insert(labels.end(), label, label + pixels);
  }
  const auto images = static_cast<int64_t>(slots.size());
  labels_ = seg::LabelBatch(Array::From({images, batch_->height, batch_->width}, labels), classes_);
  return labels_;
}

absl::StatusOr<std::vector<float>> MeanIouReward::Score(std::span<const int64_t> image_ids,
                                                        const rl::SampledMaps& maps) {
  RequireSize("MeanIouReward", labels_.batch(), maps.height, maps.width);
  std::vector<const uint8_t*> truths;
  truths.reserve(image_ids.size());
  for (int64_t slot : image_ids) truths.push_back(labels_.batch().labels.data() + slot * maps.height * maps.width);
  return seg::MeanIouOfMaps(truths, maps.cells, maps.height, maps.width, maps.grid_height, maps.grid_width, classes_,
                            class_set_);
}

absl::StatusOr<Array> MeanIouReward::ScoreInPlace(std::span<const int64_t> image_ids, const Array& maps, int64_t height,
                                                  int64_t width) {
  RequireSize("MeanIouReward", labels_.batch(), height, width);
  return labels_.Of(image_ids).MeanIou(maps, class_set_);
}

absl::StatusOr<rl::PixelScores> LabelMatchReward::Score(std::span<const int64_t> image_ids, const Array& actions) {
  RequireSize("LabelMatchReward", labels_.batch(), actions.shape()[2], actions.shape()[3]);
  seg::PixelMatches matches = labels_.Of(image_ids).Match(actions);
  return rl::PixelScores{std::move(matches.rewards), std::move(matches.valid)};
}

}  // namespace experiments::rss
