#include "experiments/rewards/label_reward.h"

#include <algorithm>
#include <utility>

#include "seg/rewards/mean_iou_reward.h"

namespace experiments {
namespace {

using autograd::Array;

void RequireSize(const char* reward, const Array& labels, int64_t height, int64_t width) {
  autograd::Require(labels.defined() && height == labels.shape()[1] && width == labels.shape()[2], reward, "maps of ",
                    height, "×", width, " for labels ", labels.shape());
}

}  // namespace

absl::StatusOr<std::vector<float>> MeanIouReward::Score(std::span<const int64_t> image_ids,
                                                        const rl::SampledMaps& maps) {
  RequireSize("MeanIouReward", labels_.labels(), maps.height, maps.width);
  const std::vector<uint8_t> labels = labels_.labels().ToVector<uint8_t>();
  std::vector<const uint8_t*> truths;
  truths.reserve(image_ids.size());
  for (int64_t slot : image_ids) truths.push_back(labels.data() + slot * maps.height * maps.width);
  return seg::MeanIouOfMaps(truths, maps.cells, maps.height, maps.width, maps.grid_height, maps.grid_width, classes_,
                            class_set_);
}

absl::StatusOr<Array> MeanIouReward::ScoreInPlace(std::span<const int64_t> image_ids, const Array& maps, int64_t height,
                                                  int64_t width) {
  RequireSize("MeanIouReward", labels_.labels(), height, width);
  return labels_.Of(image_ids).MeanIou(maps, class_set_);
}

absl::StatusOr<rl::PixelScores> LabelMatchReward::Score(std::span<const int64_t> image_ids, const Array& actions) {
  RequireSize("LabelMatchReward", labels_.labels(), actions.shape()[2], actions.shape()[3]);
  seg::PixelMatches matches = labels_.Of(image_ids).Match(actions);
  return rl::PixelScores{std::move(matches.rewards), std::move(matches.valid)};
}

}  // namespace experiments
