#pragma once

// Softmax of up to 64 rows of logits at a time, transposed so that each class is a contiguous run of rows: every loop
// over the rows vectorises however few classes there are. What sampling, probabilities, entropies and objectives of
// categorical maps on the CPU are made of: a row of logits is read once, whatever is then asked of it.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "autograd/runtime/dtype.h"
#include "autograd/runtime/error.h"
#include "autograd/runtime/math.h"
#include "autograd/runtime/parallel.h"

namespace rl {

inline constexpr int64_t kBlockRows = 64;

// Value is the type in which the rows are computed: float or double.
template <typename Value>
class SoftmaxBlock {
 public:
  static constexpr int64_t kRows = kBlockRows;

  explicit SoftmaxBlock(int64_t classes)
      : classes_(classes), shifted_(classes * kRows), exponential_(classes * kRows) {}
  SoftmaxBlock(const SoftmaxBlock&) = delete;
  SoftmaxBlock& operator=(const SoftmaxBlock&) = delete;

  // Reads logits [rows, classes], 1 <= rows <= kRows. The rows that are missing count as zeros.
  template <typename T>
  void Load(const T* logits, int64_t rows) {
    for (int64_t k = 0; k < classes_; ++k) {
      Value* out = Shifted(k);
      for (int64_t r = 0; r < rows; ++r) out[r] = static_cast<Value>(logits[r * classes_ + k]);
      for (int64_t r = rows; r < kRows; ++r) out[r] = Value(0);
    }
    Value largest[kRows];
    for (int64_t r = 0; r < kRows; ++r) largest[r] = Shifted(0)[r];
    for (int64_t k = 1; k < classes_; ++k) {
      const Value* in = Shifted(k);
      for (int64_t r = 0; r < kRows; ++r) largest[r] = in[r] > largest[r] ? in[r] : largest[r];
    }
    for (int64_t r = 0; r < kRows; ++r) total_[r] = Value(0);
    for (int64_t k = 0; k < classes_; ++k) {
      Value* shifted = Shifted(k);
      Value* exponential = exponential_.data() + k * kRows;
      for (int64_t r = 0; r < kRows; ++r) {
        shifted[r] -= largest[r];
        exponential[r] = autograd::math::Exp(shifted[r]);
        total_[r] += exponential[r];
      }
    }
  }

  // After Load: log π_k = shifted_k − log_total once TakeLogarithms has run, π_k = exponential_k / total.
  void TakeLogarithms() {
    for (int64_t r = 0; r < kRows; ++r) log_total_[r] = autograd::math::Log(total_[r]);
  }
  const Value* shifted(int64_t k) const { return shifted_.data() + k * kRows; }
  const Value* exponential(int64_t k) const { return exponential_.data() + k * kRows; }
  const Value* total() const { return total_; }
  const Value* log_total() const { return log_total_; }
  Value LogProbability(int64_t k, int64_t r) const { return shifted_[k * kRows + r] - log_total_[r]; }

  // out[r] = −Σ_k π_k log π_k, where 0·log 0 is 0. Needs TakeLogarithms.
  void Entropy(Value* out) const {
    Value sum[kRows] = {};
    for (int64_t k = 0; k < classes_; ++k) {
      for (int64_t r = 0; r < kRows; ++r) {
        const Value e = exponential(k)[r];
        sum[r] += e > Value(0) ? e * shifted(k)[r] : Value(0);
      }
    }
    for (int64_t r = 0; r < kRows; ++r) out[r] = log_total_[r] - sum[r] / total_[r];
  }

  // out[r] = KL(this ‖ other) = Σ_k π_k (log π_k − log ρ_k). Both need TakeLogarithms.
  void Divergence(const SoftmaxBlock& other, Value* out) const {
    Value sum[kRows] = {};
    for (int64_t k = 0; k < classes_; ++k) {
      for (int64_t r = 0; r < kRows; ++r) {
        const Value e = exponential(k)[r];
        sum[r] += e > Value(0) ? e * (shifted(k)[r] - other.shifted(k)[r]) : Value(0);
      }
    }
    for (int64_t r = 0; r < kRows; ++r) out[r] = sum[r] / total_[r] - log_total_[r] + other.log_total_[r];
  }

 private:
  Value* Shifted(int64_t k) { return shifted_.data() + k * kRows; }

  int64_t classes_;
  std::vector<Value> shifted_, exponential_;  // [classes, kRows]
  alignas(32) Value total_[kRows] = {};
  alignas(32) Value log_total_[kRows] = {};
};

// Calls body(workspace, first_position, rows) for blocks of at most kBlockRows positions; `make` builds the workspace
// that a thread keeps between its blocks.
template <typename Make, typename Body>
void ForEachBlock(int64_t positions, const Make& make, const Body& body) {
  const int64_t blocks = (positions + kBlockRows - 1) / kBlockRows;
  autograd::ParallelFor(blocks, 8, [&](int64_t begin, int64_t end) {
    auto workspace = make();
    for (int64_t block = begin; block < end; ++block) {
      body(workspace, block * kBlockRows, std::min(kBlockRows, positions - block * kBlockRows));
    }
  });
}

// out[r, k] = value(k, r): back into the layout of logits.
template <typename T, typename Function>
void StoreRows(int64_t classes, int64_t rows, T* out, const Function& value) {
  for (int64_t k = 0; k < classes; ++k) {
    for (int64_t r = 0; r < rows; ++r) out[r * classes + k] = static_cast<T>(value(k, r));
  }
}

inline void RequireClass(const char* operation, uint8_t action, int64_t classes) {
  autograd::Require(action < classes, operation, "action ", static_cast<int>(action), " of ", classes, " classes");
}

}  // namespace rl
