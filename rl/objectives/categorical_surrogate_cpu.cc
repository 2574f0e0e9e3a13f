#include <algorithm>
#include <vector>

#include "autograd/runtime/math.h"
#include "autograd/runtime/parallel.h"
#include "rl/objectives/categorical_surrogate_kernels.h"
#include "rl/policies/softmax_block_cpu.h"

namespace rl::cpu {

using autograd::Array;
using autograd::ComputeType;
using autograd::ParallelFor;
using autograd::Stream;
using autograd::VisitFloating;

namespace {

constexpr int64_t kRows = kBlockRows;
constexpr int kSums = 5;  // a block's Σ surrogate, Σ entropy, Σ divergence, clipped entries, entries with an advantage

// What one thread keeps while it walks through its blocks.
template <typename Value>
struct Workspace {
  explicit Workspace(int64_t classes) : block(classes), reference(classes), credit(classes * kRows) {}
  SoftmaxBlock<Value> block, reference;
  std::vector<Value> credit;  // [classes, kRows]: Σ_i ∂surrogate/∂log π over the samples that took the class
  Value total_credit[kRows], advantage[kRows], log_probability[kRows], weight[kRows], entropy[kRows], divergence[kRows];
  uint8_t counts[kRows];
};

template <typename T>
class Surrogate {
 public:
  using Value = ComputeType<T>;

  Surrogate(const Array& logits, const Array& actions, const Array& advantages, const Array& count,
            const Array& old_log_probability, const Array& reference_logits, const Array& valid,
            const Array& valid_positions, const CategoricalSurrogateTerms& terms, Array& dlogits)
      : classes_(logits.shape()[-1]),
        positions_(logits.shape().rows()),
        samples_(actions.shape()[0]),
        positions_per_advantage_(advantages.size() == 0 ? 1 : samples_ * positions_ / advantages.size()),
        logits_(logits.data<T>()),
        actions_(actions.data<uint8_t>()),
        advantages_(advantages.data<float>()),
        old_(old_log_probability.defined() ? old_log_probability.data<float>() : nullptr),
        reference_(reference_logits.defined() ? reference_logits.data<T>() : nullptr),
        valid_(valid.defined() ? valid.data<uint8_t>() : nullptr),
        terms_(terms),
        dlogits_(dlogits.defined() ? dlogits.data<T>() : nullptr) {
    const int64_t invalid = valid_ != nullptr ? std::count(valid_, valid_ + positions_, uint8_t{0}) : 0;
    const double counted =
        valid_positions.defined() ? valid_positions.data<double>()[0] : static_cast<double>(positions_ - invalid);
    per_position_ = counted > 0 ? 1.0 / counted : 0.0;
    const double entries = count.defined() ? count.data<double>()[0]
                                           : static_cast<double>(samples_) * static_cast<double>(positions_ - invalid);
    scale_ = entries > 0 ? 1.0 / entries : 0.0;
  }

  void Run(bool need_entropy, Array& loss, Array& statistics) {
    need_entropy_ = need_entropy;
    std::vector<double> sums(kSums * ((positions_ + kRows - 1) / kRows));
    ForEachBlock(
        positions_, [&] { return Workspace<Value>(classes_); },
        [&](Workspace<Value>& work, int64_t first, int64_t rows) {
          RunBlock(work, first, rows, sums.data() + first / kRows * kSums);
        });

    double total[kSums] = {};
    for (size_t i = 0; i < sums.size(); ++i) total[i % kSums] += sums[i];
    const double entropy = total[1] * per_position_, divergence = total[2] * per_position_;
    double value = terms_.divergence_weight * divergence - terms_.entropy_weight * entropy;
    if (scale_ != 0) value -= scale_ * total[0];
    loss.data<Value>()[0] = static_cast<Value>(value);
    if (statistics.defined()) {
      double* out = statistics.data<double>();
      out[0] = entropy;
      out[1] = divergence;
      out[2] = samples_ > 0 ? total[3] * per_position_ / static_cast<double>(samples_) : 0.0;
      out[3] = samples_ > 0 ? total[4] * per_position_ / static_cast<double>(samples_) : 0.0;
    }
  }

 private:
  void RunBlock(Workspace<Value>& work, int64_t first, int64_t rows, double* sums) const {
    work.block.Load(logits_ + first * classes_, rows);
    work.block.TakeLogarithms();
    for (int64_t r = 0; r < kRows; ++r) work.counts[r] = r < rows && (valid_ == nullptr || valid_[first + r] != 0);
    std::fill(work.credit.begin(), work.credit.end(), Value(0));
    std::fill(work.total_credit, work.total_credit + kRows, Value(0));
    for (int64_t i = 0; i < samples_; ++i) AddSample(work, i, first, rows, sums);
    if (need_entropy_) {
      work.block.Entropy(work.entropy);
      for (int64_t r = 0; r < rows; ++r) sums[1] += work.counts[r] ? static_cast<double>(work.entropy[r]) : 0.0;
    }
    if (reference_ != nullptr) {
      work.reference.Load(reference_ + first * classes_, rows);
      work.reference.TakeLogarithms();
      work.block.Divergence(work.reference, work.divergence);
      for (int64_t r = 0; r < rows; ++r) sums[2] += work.counts[r] ? static_cast<double>(work.divergence[r]) : 0.0;
    }
    if (dlogits_ != nullptr) StoreGradient(work, first, rows);
  }

  // Adds sample i's surrogate to sums[0] and its derivative by log π to `credit`.
  void AddSample(Workspace<Value>& work, int64_t i, int64_t first, int64_t rows, double* sums) const {
    const int64_t offset = i * positions_ + first;
    int64_t index = offset / positions_per_advantage_,
            left = positions_per_advantage_ - offset % positions_per_advantage_;
    for (int64_t r = 0; r < rows; ++r) {
      work.advantage[r] = work.counts[r] ? static_cast<Value>(advantages_[index]) : Value(0);
      if (--left == 0) {
        ++index;
        left = positions_per_advantage_;
      }
    }
    const uint8_t* action = actions_ + offset;
    for (int64_t r = 0; r < rows; ++r) {
      RequireClass("CategoricalSurrogate", action[r], classes_);
      work.log_probability[r] = work.block.LogProbability(action[r], r);
    }
    double surrogate = 0;
    for (int64_t r = 0; r < rows; ++r) sums[4] += work.advantage[r] != Value(0) ? 1.0 : 0.0;
    if (old_ == nullptr) {
      for (int64_t r = 0; r < rows; ++r) {
        const auto term = surrogates::PolicyGradient(work.advantage[r], work.log_probability[r]);
        work.weight[r] = term.weight;
        surrogate += static_cast<double>(term.value);
      }
    } else {
      const surrogates::Clip<Value> clip(terms_);
      for (int64_t r = 0; r < rows; ++r) {
        const auto term = surrogates::ClippedRatio(work.advantage[r], work.log_probability[r],
                                                   static_cast<Value>(old_[offset + r]), clip);
        work.weight[r] = term.weight;
        surrogate += static_cast<double>(term.value);
        sums[3] += term.clipped ? 1.0 : 0.0;
      }
    }
    sums[0] += surrogate;
    for (int64_t r = 0; r < rows; ++r) {
      work.credit[action[r] * kRows + r] += work.weight[r];
      work.total_credit[r] += work.weight[r];
    }
  }

  // ∂/∂z_k of Σ_i w_i log π(a_i) is Σ_{i: a_i = k} w_i − π_k Σ_i w_i; of the entropy −π_k(log π_k + H); of the
  // divergence π_k(log π_k − log ρ_k − KL).
  void StoreGradient(const Workspace<Value>& work, int64_t first, int64_t rows) const {
    const Value scale = static_cast<Value>(scale_);
    const Value entropy_scale = static_cast<Value>(terms_.entropy_weight * per_position_);
    const Value divergence_scale = static_cast<Value>(terms_.divergence_weight * per_position_);
    StoreRows(classes_, rows, dlogits_ + first * classes_, [&](int64_t k, int64_t r) {
      const Value probability = work.block.exponential(k)[r] / work.block.total()[r];
      Value gradient = scale * (probability * work.total_credit[r] - work.credit[k * kRows + r]);
      if (!work.counts[r] || probability == Value(0)) return gradient;
      if (entropy_scale != Value(0))
        gradient += entropy_scale * probability * (work.block.LogProbability(k, r) + work.entropy[r]);
      if (divergence_scale != Value(0)) {
        gradient += divergence_scale * probability *
                    (work.block.LogProbability(k, r) - work.reference.LogProbability(k, r) - work.divergence[r]);
      }
      return gradient;
    });
  }

  const int64_t classes_, positions_, samples_, positions_per_advantage_;
  const T* logits_;
  const uint8_t* actions_;
  const float *advantages_, *old_;
  const T* reference_;
  const uint8_t* valid_;
  const CategoricalSurrogateTerms terms_;
  T* dlogits_;
  double per_position_ = 0, scale_ = 0;
  bool need_entropy_ = false;
};

}  // namespace

void CategoricalSurrogate(Stream&, const Array& logits, const Array& actions, const Array& advantages,
                          const Array& count, const Array& old_log_probability, const Array& reference_logits,
                          const Array& valid, const Array& valid_positions, const CategoricalSurrogateTerms& terms,
                          Array& loss, Array& dlogits, Array& statistics) {
  VisitFloating("CategoricalSurrogate", logits.dtype(), [&]<typename T>(T) {
    Surrogate<T>(logits, actions, advantages, count, old_log_probability, reference_logits, valid, valid_positions,
                 terms, dlogits)
        .Run(terms.entropy_weight != 0 || statistics.defined(), loss, statistics);
  });
}

void ScaleByScalar(Stream&, const Array& x, const Array& dy, Array& dx) {
  VisitFloating("ScaleByScalar", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = x.data<T>();
    const Value factor = dy.data<Value>()[0];
    T* out = dx.data<T>();
    ParallelFor(x.size(), 1 << 14, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(factor * static_cast<Value>(in[i]));
    });
  });
}

}  // namespace rl::cpu
