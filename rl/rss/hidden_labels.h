#pragma once

// Rewards that know a label map for each image id, for tests and benchmarks of learners.

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "autograd/runtime/random.h"
#include "rl/rollouts/reward.h"

namespace rl::testing {

inline constexpr uint8_t kVoid = 255;

// A label map for each id: blocks of 4 × 4 pixels, some void.
inline std::map<int64_t, std::vector<uint8_t>> BlockLabels(const std::vector<int64_t>& ids, int64_t height,
                                                           int64_t width, uint32_t classes) {
  std::map<int64_t, std::vector<uint8_t>> labels;
  for (const int64_t id : ids) {
    std::vector<uint8_t>& label = labels[id];
    for (int64_t i = 0; i < height * width; ++i) {
      const int64_t block = i / width / 4 * (width / 4) + i % width / 4;
      const auto drawn = autograd::UniformBelow(autograd::Philox(autograd::RandomKey(id), block).x, classes);
      label.push_back(i % 29 == 0 ? kVoid : static_cast<uint8_t>(drawn));
    }
  }
  return labels;
}

// The share of non-void pixels that a map gets right.
class PixelAccuracy : public HostReward {
 public:
  explicit PixelAccuracy(std::map<int64_t, std::vector<uint8_t>> labels) : labels_(std::move(labels)) {}

  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t> image_ids, const SampledMaps& maps) override {
    std::vector<float> scores;
    std::vector<uint8_t> pixels(maps.height * maps.width);
    for (int64_t i = 0; i < maps.count; ++i) {
      const std::vector<uint8_t>& label = labels_.at(image_ids[i]);
      maps.Upsample(i, pixels.data());
      double right = 0, counted = 0;
      for (size_t p = 0; p < pixels.size(); ++p) {
        counted += label[p] != kVoid;
        right += label[p] != kVoid && pixels[p] == label[p];
      }
      scores.push_back(static_cast<float>(counted > 0 ? right / counted : 0));
    }
    queries += maps.count;
    return scores;
  }

  int64_t queries = 0;

 private:
  std::map<int64_t, std::vector<uint8_t>> labels_;
};

// 1 where the action is the label, 0 elsewhere, nothing where the label is void.
class LabelMatch : public PixelReward {
 public:
  explicit LabelMatch(std::map<int64_t, std::vector<uint8_t>> labels) : labels_(std::move(labels)) {}

  absl::StatusOr<PixelScores> Score(std::span<const int64_t> image_ids, const autograd::Array& actions) override {
    const autograd::Shape& shape = actions.shape();
    const std::vector<uint8_t> drawn = actions.ToVector<uint8_t>();
    std::vector<uint8_t> label, valid;
    for (int64_t id : image_ids) label.insert(label.end(), labels_.at(id).begin(), labels_.at(id).end());
    for (uint8_t y : label) valid.push_back(y != kVoid);
    std::vector<float> rewards;
    for (size_t i = 0; i < drawn.size(); ++i) rewards.push_back(drawn[i] == label[i % label.size()] ? 1.0f : 0.0f);
    return PixelScores{autograd::Array::From(shape, rewards),
                       autograd::Array::From({shape[1], shape[2], shape[3]}, valid)};
  }

 private:
  std::map<int64_t, std::vector<uint8_t>> labels_;
};

}  // namespace rl::testing
