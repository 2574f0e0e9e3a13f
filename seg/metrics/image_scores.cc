#include "seg/metrics/image_scores.h"

#include <array>
#include <cstddef>

#include "autograd/runtime/error.h"

namespace seg {
namespace {

// Counters for every byte, so that a byte of a map needs no check before it is counted. Those of no class are not read.
constexpr size_t kCounters = 256;

}  // namespace

ImageScores ScoresOf(std::span<const ClassCounts> by_class, ClassSet set) {
  int64_t pixels = 0, right = 0;
  for (const ClassCounts& counts : by_class) {
    pixels += counts.truth;
    right += counts.hits;
  }
  return {.mean_iou = MeanOverClasses(by_class, set, &ClassCounts::Iou).value_or(0),
          .mean_dice = MeanOverClasses(by_class, set, &ClassCounts::Dice).value_or(0),
          .pixel_accuracy = pixels > 0 ? Ratio(right, pixels) : 0};
}

// O(pixels + classes): three counters a class and no matrix.
ImageScores ScoreImage(std::span<const uint8_t> truth, std::span<const uint8_t> map, int classes, ClassSet set) {
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
    ++counters[label].truth;
    ++counters[map[i]].prediction;
    counters[label].hits += map[i] == label;
  }
  return ScoresOf(std::span<const ClassCounts>(counters.data(), classes), set);
}

}  // namespace seg
