#pragma once

// Rewards that know the labels: the paper's stand-in for a person or a simulator that scores maps. Image ids are slots
// of the batch whose labels SetLabels was given, uint8 [b, height, width] on the current stream's device.

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/core/array.h"
#include "rl/rollouts/reward.h"
#include "seg/rewards/label_batch.h"

namespace experiments {

// mIoU of each map against its image's label (RSS, section 3.2).
class MeanIouReward : public rl::HostReward {
 public:
  MeanIouReward(int classes, seg::ClassSet class_set) : classes_(classes), class_set_(class_set) {}
  void SetLabels(const autograd::Array& labels) { labels_ = seg::LabelBatch(labels, classes_); }
  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t> image_ids, const rl::SampledMaps& maps) override;
  absl::StatusOr<autograd::Array> ScoreInPlace(std::span<const int64_t> image_ids, const autograd::Array& maps,
                                               int64_t height, int64_t width) override;

 private:
  int classes_;
  seg::ClassSet class_set_;
  seg::LabelBatch labels_;
};

// 1 where the action is the label (RSS, section 3.1).
class LabelMatchReward : public rl::PixelReward {
 public:
  explicit LabelMatchReward(int classes) : classes_(classes) {}
  void SetLabels(const autograd::Array& labels) { labels_ = seg::LabelBatch(labels, classes_); }
  absl::StatusOr<rl::PixelScores> Score(std::span<const int64_t> image_ids, const autograd::Array& actions) override;

 private:
  int classes_;
  seg::LabelBatch labels_;
};

}  // namespace experiments
