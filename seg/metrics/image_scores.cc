#include "seg/metrics/image_scores.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "autograd/runtime/error.h"

namespace seg {
namespace {

// Counters for every byte, so that a byte of a map needs no check before it is counted.
constexpr size_t kCounters = 256;

// The counter of a map's value; those of values outside the classes are not read.
size_t Counter(uint8_t value, int) { return value; }
template <typename Label>
size_t Counter(Label value, int classes) {
  const auto unsigned_value = static_cast<uint64_t>(static_cast<int64_t>(value));
  return std::min(unsigned_value, static_cast<uint64_t>(classes));
}

// O(pixels + classes): three counters a class and no matrix.
template <typename Label>
ImageScores Score(std::span<const uint8_t> truth, std::span<const Label> map, int classes, ClassSet set) {
  autograd::Require(truth.size() == map.size(), "ScoreImage", truth.size(), " truths for a map of ", map.size());
  autograd::Require(classes > 0 && classes <= kVoid, "ScoreImage", classes, " classes");
  std::array<ClassCounts, kCounters> counters{};
  for (size_t i = 0; i < truth.size(); ++i) {
    const int label = truth[i];
    if (label >= classes) [[unlikely]] {
      autograd::Require(label == kVoid, "ScoreImage", "pixel ", i, " has the true label ", label, " of ", classes,
                        " classes");
      continue;
    }
    const size_t predicted = Counter(map[i], classes);
    ++counters[label].truth;
    ++counters[predicted].prediction;
    counters[label].hits += predicted == static_cast<size_t>(label);
  }
  const std::span<const ClassCounts> by_class(counters.data(), classes);
  int64_t pixels = 0, right = 0;
  for (const ClassCounts& counts : by_class) {
    pixels += counts.truth;
    right += counts.hits;
  }
  return {.mean_iou = MeanOverClasses(by_class, set, &ClassCounts::Iou).value_or(0),
          .mean_dice = MeanOverClasses(by_class, set, &ClassCounts::Dice).value_or(0),
          .pixel_accuracy = pixels > 0 ? Ratio(right, pixels) : 0};
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
