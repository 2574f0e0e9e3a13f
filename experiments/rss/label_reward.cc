#include "experiments/rss/label_reward.h"

#include <algorithm>
#include <utility>

#include "seg/rewards/mean_iou_reward.h"

namespace experiments::rss {
namespace {

using autograd::Array;

void RequireSize(const char* reward, const Array& labels, int64_t height, int64_t width) {
  autograd::Require(labels.defined() && height == labels.shape()[1] && width == labels.shape()[2], reward, "maps of ",
                    height, "×", width, " for labels ", labels.shape());
}

}  // namespace

void BatchLabels::Set(const Array& labels) {
  all_ = labels;
  slots_.clear();
}

seg::LabelBatch& BatchLabels::Of(std::span<const int64_t> slots) {
  if (!slots_.empty() && std::ranges::equal(slots, slots_)) return labels_;
  slots_.assign(slots.begin(), slots.end());
  const auto images = static_cast<int64_t>(slots.size());
  Array chosen = Array::Empty({images, all_.shape()[1], all_.shape()[2]}, autograd::kUInt8);
  for (int64_t i = 0; i < images; ++i) chosen.Slice(i, i + 1).CopyFrom(all_.Slice(slots[i], slots[i] + 1));
  labels_ = seg::LabelBatch(std::move(chosen), classes_);
  return labels_;
}

absl::StatusOr<std::vector<float>> MeanIouReward::Score(std::span<const int64_t> image_ids,
                                                        const rl::SampledMaps& maps) {
  RequireSize("MeanIouReward", labels_.all(), maps.height, maps.width);
  const std::vector<uint8_t> labels = labels_.all().ToVector<uint8_t>();
  std::vector<const uint8_t*> truths;
  truths.reserve(image_ids.size());
  for (int64_t slot : image_ids) truths.push_back(labels.data() + slot * maps.height * maps.width);
  return seg::MeanIouOfMaps(truths, maps.cells, maps.height, maps.width, maps.grid_height, maps.grid_width, classes_,
                            class_set_);
}

absl::StatusOr<Array> MeanIouReward::ScoreInPlace(std::span<const int64_t> image_ids, const Array& maps, int64_t height,
                                                  int64_t width) {
  RequireSize("MeanIouReward", labels_.all(), height, width);
  return labels_.Of(image_ids).MeanIou(maps, class_set_);
}

absl::StatusOr<rl::PixelScores> LabelMatchReward::Score(std::span<const int64_t> image_ids, const Array& actions) {
  RequireSize("LabelMatchReward", labels_.all(), actions.shape()[2], actions.shape()[3]);
  seg::PixelMatches matches = labels_.Of(image_ids).Match(actions);
  return rl::PixelScores{std::move(matches.rewards), std::move(matches.valid)};
}

}  // namespace experiments::rss
