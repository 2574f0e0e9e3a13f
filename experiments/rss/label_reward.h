#pragma once

// Rewards that know the labels: the paper's stand-in for a person or a simulator that scores maps. Image ids are slots of the batch
// given to SetBatch.

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "data/loaders/loader.h"
#include "rl/rollouts/reward.h"
#include "seg/rewards/mean_iou_reward.h"

namespace experiments::rss {

// mIoU of each map against its image's label (RSS, section 3.2).
class MeanIouReward : public rl::Reward {
 public:
  MeanIouReward(int classes, seg::ClassSet class_set) : classes_(classes), class_set_(class_set) {}
  void SetBatch(const data::Batch& batch) { batch_ = &batch; }
  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t> image_ids, const rl::SampledMaps& maps) override;

 private:
  int classes_;
  seg::ClassSet class_set_;
  const data::Batch* batch_ = nullptr;
};

// 1 where the action is the label (RSS, section 3.1).
class LabelMatchReward : public rl::PixelReward {
 public:
  void SetBatch(const data::Batch& batch) { batch_ = &batch; }
  absl::StatusOr<rl::PixelScores> Score(std::span<const int64_t> image_ids, const autograd::Array& actions) override;

 private:
  const data::Batch* batch_ = nullptr;
};

}  // namespace experiments::rss
