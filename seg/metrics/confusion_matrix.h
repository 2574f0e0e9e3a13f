#pragma once

// Scores of label maps from one matrix of 64-bit counts C[g][p] (g truth, p prediction) over all pixels whose truth is
// not void:
//
//   T_k = Σ_p C[k][p],   P_k = Σ_g C[g][k],   I_k = C[k][k],   U_k = T_k + P_k − I_k,   N = Σ C

#include <cstdint>
#include <span>
#include <vector>

#include "autograd/core/array.h"
#include "seg/metrics/class_counts.h"

namespace seg {

class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int classes);

  // Maps of one size, any shape. A truth is below `classes` or kVoid, anything else is an Error. A prediction that is
  // not below `classes` is wrong for its true class and counts for no other, as in Cityscapes' program and mmseg.
  void Add(std::span<const uint8_t> truth, std::span<const uint8_t> prediction);
  // uint8, on any device.
  void Add(const autograd::Array& truth, const autograd::Array& prediction);
  void Add(const ConfusionMatrix& other);

  int classes() const { return classes_; }
  // `prediction` may be classes(): predictions outside the classes.
  int64_t count(int truth, int prediction) const { return counts_[truth * (classes_ + 1) + prediction]; }
  // Row-major [classes, classes + 1], for sums over ranks.
  std::vector<int64_t>& counts() { return counts_; }
  const std::vector<int64_t>& counts() const { return counts_; }
  int64_t pixels() const;
  std::vector<ClassCounts> ByClass() const;  // T, P, I

  // Per class; NaN where the denominator is 0.
  std::vector<double> ClassIou() const;         // I_k / U_k
  std::vector<double> ClassAccuracies() const;  // I_k / T_k
  std::vector<double> ClassDice() const;        // 2·I_k / (T_k + P_k)

  // NaN when no pixel or no class counts.
  double PixelAccuracy() const;         // Σ I_k / N
  double ClassAccuracy() const;         // mean of I_k / T_k over T_k > 0
  double FrequencyWeightedIou() const;  // Σ T_k / N · IoU_k over T_k > 0
  // Over the classes of `set` in [first, last); last < 0 means all. Continual protocols report such ranges.
  double MeanIou(ClassSet set = ClassSet::kUnion, int first = 0, int last = -1) const;
  double MeanDice(ClassSet set = ClassSet::kUnion, int first = 0, int last = -1) const;

 private:
  double MeanOver(double (ClassCounts::*score)() const, ClassSet set, int first, int last) const;

  int classes_;
  std::vector<int64_t> counts_;
};

}  // namespace seg
