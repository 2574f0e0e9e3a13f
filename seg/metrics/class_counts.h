#pragma once

// Pixels of one class, and what is made of them. What published programs call mIoU differs in the classes that are
// averaged; ClassSet names the choices.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "autograd/runtime/host_device.h"

namespace seg {

inline constexpr uint8_t kVoid = 255;

enum class ClassSet : uint8_t {
  kUnion,  // U_k > 0: Cityscapes' program, mmseg, SSSegmentation, iSeg ("nan-mean")
  kTruth,  // T_k > 0: MiB, PLOP
  kAll,    // all K, absent ones count as 0: sceneparsing, semseg, SCHP
};

// numerator / denominator; NaN where the denominator is 0.
HOST_DEVICE inline double Ratio(int64_t numerator, int64_t denominator) {
  return denominator == 0 ? std::numeric_limits<double>::quiet_NaN()
                          : static_cast<double>(numerator) / static_cast<double>(denominator);
}

// Pixels whose truth is not void.
struct ClassCounts {
  int64_t truth = 0;       // T_k: of this class
  int64_t prediction = 0;  // P_k: given to this class
  int64_t hits = 0;        // I_k: both

  HOST_DEVICE int64_t Union() const { return truth + prediction - hits; }  // U_k
  HOST_DEVICE double Iou() const { return Ratio(hits, Union()); }
  HOST_DEVICE double Dice() const { return Ratio(2 * hits, truth + prediction); }
  HOST_DEVICE double Accuracy() const { return Ratio(hits, truth); }
  HOST_DEVICE bool In(ClassSet set) const {
    return set == ClassSet::kAll || truth > 0 || (set == ClassSet::kUnion && prediction > 0);
  }
};

// Adds scores of single classes; NaN counts as 0.
struct ScoreSum {
  double sum = 0;
  int64_t counted = 0;

  HOST_DEVICE void Add(double score) {
    if (score == score) sum += score;
    ++counted;
  }
  HOST_DEVICE double Mean() const { return sum / static_cast<double>(counted); }
};

// The mean of a score, such as &ClassCounts::Iou, over the classes of `set`, a score of NaN counting as 0. Empty when
// there is no such class.
inline std::optional<double> MeanOverClasses(std::span<const ClassCounts> classes, ClassSet set,
                                             double (ClassCounts::*score)() const) {
  ScoreSum sum;
  for (const ClassCounts& counts : classes) {
    if (counts.In(set)) sum.Add((counts.*score)());
  }
  if (sum.counted == 0) return std::nullopt;
  return sum.Mean();
}

}  // namespace seg
