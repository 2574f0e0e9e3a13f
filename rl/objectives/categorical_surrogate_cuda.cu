#include <algorithm>

#include "autograd/core/launch_cuda.h"
#include "rl/objectives/categorical_surrogate_kernels.h"
#include "rl/policies/softmax_tile_cuda.h"

namespace rl::cuda {

using autograd::Array;
using autograd::ComputeType;
using autograd::kFloat64;
using autograd::kInt64;
using autograd::Stream;
using autograd::VisitFloating;
using autograd::cuda::Aligned;
using autograd::cuda::Blocks;
using autograd::cuda::GridIndex;
using autograd::cuda::GridStride;
using autograd::cuda::kBlock;
using autograd::cuda::kWarp;
using autograd::cuda::Launch;
using autograd::cuda::LoadMany;
using autograd::cuda::Pack;
using autograd::cuda::StoreMany;
using autograd::cuda::WarpSum;
namespace math = autograd::math;

namespace {

constexpr int kSums = 5;  // Σ surrogate, Σ entropy, Σ divergence, clipped entries, entries with an advantage

// What the loss is divided by, read by every thread: results of kernels before this one.
struct Divisors {
  const double* count;           // null: all entries at valid positions
  const int64_t* valid_counted;  // null: every position is valid
  const double* valid_given;     // null: valid_counted
  int64_t positions, samples;

  __device__ double per_position() const {
    const double valid = valid_given != nullptr ? *valid_given : counted();
    return valid > 0 ? 1.0 / valid : 0.0;
  }
  __device__ double scale() const {
    const double entries = count != nullptr ? *count : static_cast<double>(samples) * counted();
    return entries > 0 ? 1.0 / entries : 0.0;
  }

 private:
  __device__ double counted() const {
    return static_cast<double>(valid_counted != nullptr ? *valid_counted : positions);
  }
};

// The block's sums, valid in thread 0.
__device__ void SumOverBlock(double (&sums)[kSums]) {
  SHARED_MEMORY(shared, double[kBlock / kWarp][kSums]);
  __syncthreads();
  for (int k = 0; k < kSums; ++k) {
    const double sum = WarpSum(sums[k]);
    if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp][k] = sum;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int k = 0; k < kSums; ++k) {
    sums[k] = 0;
    for (int warp = 0; warp < kBlock / kWarp; ++warp) sums[k] += shared[warp][k];
  }
}

// Everything about a row of logits: all samples, entropy, divergence, gradient. The second tile first holds the
// reference's row and then becomes the gradient.
template <typename Value>
struct SurrogateTask : RowTask {
  static constexpr bool kTwoTiles = true, kStoresSecond = true;
  Divisors divisors;
  const uint8_t* actions;
  const float* advantages;
  bool one_advantage_a_map;
  int64_t images;
  const float* old;      // null: no ratio
  const uint8_t* valid;  // null: every position is
  CategoricalSurrogateTerms terms;
  bool has_reference, need_entropy, need_gradient;
  double* partial;  // [blocks, kSums]

  double sums[kSums];
  Value scale, entropy_scale, divergence_scale;

  __device__ void Start() {
    for (double& sum : sums) sum = 0;
    scale = static_cast<Value>(divisors.scale());
    const double per_position = divisors.per_position();
    entropy_scale = static_cast<Value>(terms.entropy_weight * per_position);
    divergence_scale = static_cast<Value>(terms.divergence_weight * per_position);
  }

  __device__ void operator()(const TileRow<Value>& row, int64_t position, bool in_range) {
    const bool counts = in_range && (valid == nullptr || valid[position] != 0);
    const Value total = row.Shift(row.values), log_total = math::Log(total);
    Value entropy = 0, divergence = 0, reference_log_total = 0;
    if (need_entropy) entropy = row.Entropy(total);
    if (has_reference) {
      const Value reference_total = row.Shift(row.others);
      reference_log_total = math::Log(reference_total);
      divergence = row.Divergence(total, reference_total);
    }
    if (counts && row.lane == 0) {
      sums[1] += static_cast<double>(entropy);
      sums[2] += static_cast<double>(divergence);
    }
    if (need_gradient) StartGradient(row, counts, total, log_total, entropy, reference_log_total, divergence);

    // Σ_i w_i log π(a_i) has the derivative Σ_{i: a_i = k} w_i − π_k Σ_i w_i by z_k.
    Value total_weight = 0;
    const int64_t pixels = divisors.positions / images;
    const int64_t advantage_stride = one_advantage_a_map ? images : divisors.positions;
    const int64_t own_advantage = one_advantage_a_map ? position / pixels : position;
    row.ForEachSample(
        divisors.samples,
        [&](int64_t i, int& action, Value& weight) {
          if (!counts) return;
          action = actions[i * divisors.positions + position];
          const auto advantage = static_cast<Value>(advantages[i * advantage_stride + own_advantage]);
          const Value log_probability = action < row.classes ? row.values[action] - log_total : static_cast<Value>(NAN);
          surrogates::Term<Value> term;
          if (old == nullptr) {
            term = surrogates::PolicyGradient(advantage, log_probability);
          } else {
            term = surrogates::ClippedRatio(advantage, log_probability,
                                            static_cast<Value>(old[i * divisors.positions + position]),
                                            surrogates::Clip<Value>(terms));
          }
          weight = term.weight;
          sums[0] += static_cast<double>(term.value);
          sums[3] += term.clipped ? 1.0 : 0.0;
          sums[4] += advantage != Value(0) ? 1.0 : 0.0;
        },
        [&](int action, Value weight) {
          total_weight += weight;
          if (need_gradient && action < row.classes && row.Owns(action)) row.others[action] -= scale * weight;
        });
    if (!need_gradient) return;
    row.ForEachClass([&](int k) { row.others[k] += scale * (math::Exp(row.values[k]) / total * total_weight); });
  }

  __device__ void Finish() {
    SumOverBlock(sums);
    if (threadIdx.x != 0) return;
    for (int k = 0; k < kSums; ++k) partial[static_cast<int64_t>(blockIdx.x) * kSums + k] = sums[k];
  }

 private:
  // The derivatives of the entropy, −π_k(log π_k + H), and of the divergence, π_k(log π_k − log ρ_k − KL).
  __device__ void StartGradient(const TileRow<Value>& row, bool counts, Value total, Value log_total, Value entropy,
                                Value reference_log_total, Value divergence) const {
    row.ForEachClass([&](int k) {
      Value gradient = 0;
      const Value probability = math::Exp(row.values[k]) / total, log_probability = row.values[k] - log_total;
      if (counts && probability != Value(0)) {
        if (entropy_scale != Value(0)) gradient += entropy_scale * probability * (log_probability + entropy);
        if (divergence_scale != Value(0)) {
          gradient +=
              divergence_scale * probability * (log_probability - (row.others[k] - reference_log_total) - divergence);
        }
      }
      row.others[k] = gradient;
    });
  }
};

__global__ void __launch_bounds__(kBlock) CountValidKernel(const uint8_t* valid, int64_t size, int64_t* count) {
  unsigned own = 0;
  for (int64_t i = GridIndex(); i < size; i += GridStride()) own += valid[i] != 0 ? 1 : 0;
  own = WarpSum(own);
  // Integers: the order of the additions does not matter.
  if (threadIdx.x % kWarp == 0 && own > 0) atomicAdd(reinterpret_cast<unsigned long long*>(count), own);
}

// The second stage: one block, an order that never changes.
template <typename Value>
__global__ void __launch_bounds__(kBlock)
    TotalsKernel(const double* partial, int64_t blocks, Divisors divisors, CategoricalSurrogateTerms terms, Value* loss,
                 double* statistics) {
  double sums[kSums] = {};
  for (int64_t block = threadIdx.x; block < blocks; block += kBlock) {
    for (int k = 0; k < kSums; ++k) sums[k] += partial[block * kSums + k];
  }
  SumOverBlock(sums);
  if (threadIdx.x != 0) return;
  const double per_position = divisors.per_position(), scale = divisors.scale();
  const double entropy = sums[1] * per_position, divergence = sums[2] * per_position;
  double value = terms.divergence_weight * divergence - terms.entropy_weight * entropy;
  if (scale != 0) value -= scale * sums[0];
  *loss = static_cast<Value>(value);
  if (statistics == nullptr) return;
  const double per_entry = divisors.samples > 0 ? per_position / static_cast<double>(divisors.samples) : 0.0;
  statistics[0] = entropy;
  statistics[1] = divergence;
  statistics[2] = sums[3] * per_entry;
  statistics[3] = sums[4] * per_entry;
}

template <int kWidth, typename T>
__global__ void ScaleKernel(const T* x, const ComputeType<T>* factor, int64_t size, T* y) {
  const ComputeType<T> scale = *factor;
  for (int64_t i = GridIndex() * kWidth; i < size; i += GridStride() * kWidth) {
    ComputeType<T> values[kWidth];
    LoadMany(x + i, values);
    for (int k = 0; k < kWidth; ++k) values[k] *= scale;
    StoreMany(y + i, values);
  }
}

}  // namespace

void CategoricalSurrogate(Stream& stream, const Array& logits, const Array& actions, const Array& advantages,
                          const Array& count, const Array& old_log_probability, const Array& reference_logits,
                          const Array& valid, const Array& valid_positions, const CategoricalSurrogateTerms& terms,
                          Array& loss, Array& dlogits, Array& statistics) {
  const int64_t positions = logits.shape().rows(), samples = actions.shape()[0];
  Divisors divisors{count.defined() ? count.data<double>() : nullptr, nullptr,
                    valid_positions.defined() ? valid_positions.data<double>() : nullptr, positions, samples};
  Array valid_counted;
  if (valid.defined() && positions > 0) {
    valid_counted = Array::Zeros({1}, kInt64);
    Launch("CategoricalSurrogate", stream, Blocks((positions + 15) / 16), kBlock, CountValidKernel,
           valid.data<uint8_t>(), positions, valid_counted.data<int64_t>());
    divisors.valid_counted = valid_counted.data<int64_t>();
  }
  VisitFloating("CategoricalSurrogate", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t blocks = positions > 0 ? TileBlocks(LayoutFor<Value>(logits.shape()[-1], positions), positions) : 0;
    Array partial = Array::Empty({blocks, kSums}, kFloat64);
    SurrogateTask<Value> task;
    task.divisors = divisors;
    task.actions = actions.data<uint8_t>();
    task.advantages = advantages.data<float>();
    task.images = logits.shape()[0];
    task.one_advantage_a_map = advantages.rank() == 2 && actions.rank() != 2;
    task.old = old_log_probability.defined() ? old_log_probability.data<float>() : nullptr;
    task.valid = valid.defined() ? valid.data<uint8_t>() : nullptr;
    task.terms = terms;
    task.has_reference = reference_logits.defined();
    task.need_entropy = terms.entropy_weight != 0 || statistics.defined();
    task.need_gradient = dlogits.defined();
    task.partial = partial.data<double>();
    LaunchRows<T>("CategoricalSurrogate", stream, logits, reference_logits, task, dlogits);
    Launch("CategoricalSurrogate", stream, 1, kBlock, TotalsKernel<Value>, partial.data<double>(), blocks, divisors,
           terms, loss.data<Value>(), statistics.defined() ? statistics.data<double>() : nullptr);
  });
}

void ScaleByScalar(Stream& stream, const Array& x, const Array& dy, Array& dx) {
  if (x.size() == 0) return;
  VisitFloating("ScaleByScalar", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    auto launch = [&](auto* kernel, int64_t width) {
      Launch("ScaleByScalar", stream, Blocks(x.size() / width), kBlock, kernel, x.data<T>(), dy.data<Value>(), x.size(),
             dx.data<T>());
    };
    if (x.size() % Pack<T>::kSize == 0 && Aligned(x.raw(), dx.raw())) {
      launch(&ScaleKernel<Pack<T>::kSize, T>, Pack<T>::kSize);
    } else {
      launch(&ScaleKernel<1, T>, 1);
    }
  });
}

}  // namespace rl::cuda
