#include "seg/metrics/image_scores.h"

#include <vector>

#include "autograd/runtime/error.h"

namespace seg {
namespace {

// O(pixels + classes): three counters a class and no matrix.
template <typename Label>
ImageScores Score(std::span<const uint8_t> truth, std::span<const Label> map, int classes, ClassSet set) {
  autograd::Require(truth.size() == map.size(), "ScoreImage", truth.size(), " truths for a map of ", map.size());
  autograd::Require(classes > 0 && classes <= kVoid, "ScoreImage", classes, " classes");
  // The last element takes labels outside the classes.
  std::vector<int64_t> truths(classes + 1), predictions(classes + 1), hits(classes + 1);
  for (size_t i = 0; i < truth.size(); ++i) {
    const int label = truth[i];
    if (label >= classes) [[unlikely]] {
      autograd::Require(label == kVoid, "ScoreImage", "pixel ", i, " has the true label ", label, " of ", classes,
                        " classes");
      continue;
    }
    const uint64_t given = static_cast<uint64_t>(static_cast<int64_t>(map[i]));
    const int predicted = given < static_cast<uint64_t>(classes) ? static_cast<int>(given) : classes;
    ++truths[label];
    ++predictions[predicted];
    hits[label] += predicted == label;
  }
  ImageScores scores;
  int64_t counted = 0, pixels = 0, right = 0;
  for (int k = 0; k < classes; ++k) {
    pixels += truths[k];
    right += hits[k];
    const bool in_set = set == ClassSet::kAll || truths[k] > 0 || (set == ClassSet::kUnion && predictions[k] > 0);
    if (!in_set) continue;
    ++counted;
    const double sum = static_cast<double>(truths[k] + predictions[k]), hit = static_cast<double>(hits[k]);
    if (sum == 0) continue;
    scores.mean_iou += hit / (sum - hit);
    scores.mean_dice += 2 * hit / sum;
  }
  if (counted > 0) {
    scores.mean_iou /= static_cast<double>(counted);
    scores.mean_dice /= static_cast<double>(counted);
  }
  if (pixels > 0) scores.pixel_accuracy = static_cast<double>(right) / static_cast<double>(pixels);
  return scores;
}

}  // namespace

ImageScores ScoreImage(std::span<const uint8_t> truth, std::span<const uint8_t> map, int classes, ClassSet set) {
  return Score(truth, map, classes, set);
}
ImageScores ScoreImage(std::span<const uint8_t> truth, std::span<const int32_t> map, int classes, ClassSet set) {
  return Score(truth, map, classes, set);
}
ImageScores ScoreImage(std::span<const uint8_t> truth, std::span<const int64_t> map, int classes, ClassSet set) {
  return Score(truth, map, classes, set);
}

}  // namespace seg
