#include "autograd/core/launch_cuda.h"
#include "rl/policies/categorical_kernels.h"
#include "rl/policies/softmax_tile_cuda.h"

namespace rl::cuda {

using autograd::Array;
using autograd::ComputeType;
using autograd::Philox;
using autograd::PhiloxWords;
using autograd::RandomKey;
using autograd::Stream;
using autograd::UniformFloat;
using autograd::VisitFloating;
namespace math = autograd::math;

namespace {

// The first n in [0, size) with threshold < cumulative[n], and size when there is none; `cumulative` does not fall.
template <typename Value>
__device__ int CountUpTo(const Value* cumulative, int size, Value threshold) {
  int low = 0, high = size;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (cumulative[middle] <= threshold) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

template <typename Value>
struct SampleTask : RowTask {
  RandomKey key;
  int64_t first_position, positions, count;
  uint8_t* actions;

  __device__ void operator()(const TileRow<Value>& row, int64_t position, bool in_range) {
    const Value largest = row.Largest(row.values);
    row.ForEachClass([&](int k) { row.values[k] = math::Exp(row.values[k] - largest); });
    __syncwarp();
    // In the order of the classes, as on the CPU: the draws are the same, not only their distribution.
    if (row.lane == 0) {
      Value running = 0;
      for (int k = 0; k < row.classes; ++k) row.values[k] = running += row.values[k];
    }
    __syncwarp();
    if (!in_range) return;
    const Value total = row.values[row.classes - 1];
    const RandomKey now = key.Now();
    for (int64_t group = row.lane; group * 4 < count; group += row.lanes) {
      const PhiloxWords words =
          Philox(now, static_cast<uint64_t>(group) << 40 | static_cast<uint64_t>(first_position + position));
      const uint32_t four[] = {words.x, words.y, words.z, words.w};
      for (int k = 0; k < 4 && group * 4 + k < count; ++k) {
        const Value threshold = static_cast<Value>(UniformFloat(four[k])) * total;
        actions[(group * 4 + k) * positions + position] =
            static_cast<uint8_t>(CountUpTo(row.values, row.classes - 1, threshold));
      }
    }
  }
};

template <typename Value>
struct ModeTask : RowTask {
  uint8_t* actions;

  __device__ void operator()(const TileRow<Value>& row, int64_t position, bool in_range) {
    // The first class of the largest value: the first of this lane's, then of the lanes'.
    int best = min(row.lane, row.classes - 1);
    row.ForEachClass([&](int k) { best = row.values[k] > row.values[best] ? k : best; });
    Value largest = row.values[best];
    for (int offset = row.lanes / 2; offset > 0; offset /= 2) {
      const Value value = __shfl_xor_sync(0xFFFFFFFFu, largest, offset);
      const int k = __shfl_xor_sync(0xFFFFFFFFu, best, offset);
      if (value > largest || (value == largest && k < best)) {
        largest = value;
        best = k;
      }
    }
    if (in_range && row.lane == 0) actions[position] = static_cast<uint8_t>(best);
  }
};

template <typename Value>
struct LogProbabilityTask : RowTask {
  int64_t positions, count;
  const uint8_t* actions;
  Value* y;

  __device__ void operator()(const TileRow<Value>& row, int64_t position, bool in_range) {
    const Value log_total = math::Log(row.Shift(row.values));
    if (!in_range) return;
    for (int64_t i = row.lane; i < count; i += row.lanes) {
      const int action = actions[i * positions + position];
      y[i * positions + position] = action < row.classes ? row.values[action] - log_total : static_cast<Value>(NAN);
    }
  }
};

template <typename Value>
struct LogProbabilityGradientTask : RowTask {
  static constexpr bool kTwoTiles = true, kStoresSecond = true;
  int64_t positions, count;
  const uint8_t* actions;
  const Value* dy;

  __device__ void operator()(const TileRow<Value>& row, int64_t position, bool in_range) {
    const Value total = row.Shift(row.values);
    row.ForEachClass([&](int k) { row.others[k] = 0; });
    Value sum = 0;
    row.ForEachSample(
        count,
        [&](int64_t i, int& action, Value& weight) {
          if (!in_range) return;
          action = actions[i * positions + position];
          weight = dy[i * positions + position];
        },
        [&](int action, Value weight) {
          sum += weight;
          if (action < row.classes && row.Owns(action)) row.others[action] += weight;
        });
    row.ForEachClass([&](int k) { row.others[k] -= sum * math::Exp(row.values[k]) / total; });
  }
};

template <typename Value>
struct EntropyTask : RowTask {
  Value* y;

  __device__ void operator()(const TileRow<Value>& row, int64_t position, bool in_range) {
    const Value entropy = row.Entropy(row.Shift(row.values));
    if (in_range && row.lane == 0) y[position] = entropy;
  }
};

template <typename Value>
struct EntropyGradientTask : RowTask {
  const Value* dy;

  __device__ void operator()(const TileRow<Value>& row, int64_t position, bool in_range) {
    const Value total = row.Shift(row.values), log_total = math::Log(total), entropy = row.Entropy(total);
    const Value scale = in_range ? -dy[position] / total : Value(0);
    row.ForEachClass([&](int k) {
      const Value e = math::Exp(row.values[k]);
      row.values[k] = e > Value(0) ? scale * e * (row.values[k] - log_total + entropy) : Value(0);
    });
  }
};

template <typename Value>
struct DivergenceTask : RowTask {
  static constexpr bool kTwoTiles = true;
  Value* y;

  __device__ void operator()(const TileRow<Value>& row, int64_t position, bool in_range) {
    const Value total = row.Shift(row.values), other_total = row.Shift(row.others);
    const Value divergence = row.Divergence(total, other_total);
    if (in_range && row.lane == 0) y[position] = divergence;
  }
};

template <typename Value>
struct DivergenceGradientTask : RowTask {
  static constexpr bool kTwoTiles = true;
  int operand;
  const Value* dy;

  __device__ void operator()(const TileRow<Value>& row, int64_t position, bool in_range) {
    const Value total = row.Shift(row.values), other_total = row.Shift(row.others);
    const Value divergence = row.Divergence(total, other_total);
    const Value log_total = math::Log(total), other_log_total = math::Log(other_total);
    const Value upstream = in_range ? dy[position] : Value(0);
    row.ForEachClass([&](int k) {
      const Value probability = math::Exp(row.values[k]) / total;
      if (operand == 1) {
        row.values[k] = upstream * (math::Exp(row.others[k]) / other_total - probability);
      } else if (probability == Value(0)) {
        row.values[k] = 0;
      } else {
        const Value difference = (row.values[k] - log_total) - (row.others[k] - other_log_total);
        row.values[k] = upstream * probability * (difference - divergence);
      }
    });
  }
};

int64_t SampleCount(const Array& logits, const Array& actions) {
  const int64_t positions = logits.shape().rows();
  return positions == 0 ? 0 : actions.size() / positions;
}

}  // namespace

void CategoricalSample(Stream& stream, const Array& logits, const RandomKey& key, int64_t first_position,
                       Array& actions) {
  Array nothing;
  VisitFloating("CategoricalSample", logits.dtype(), [&]<typename T>(T) {
    LaunchRows<T>("CategoricalSample", stream, logits, {},
                  SampleTask<ComputeType<T>>{
                      {}, key, first_position, logits.shape().rows(), actions.shape()[0], actions.data<uint8_t>()},
                  nothing);
  });
}

void CategoricalMode(Stream& stream, const Array& logits, Array& actions) {
  Array nothing;
  VisitFloating("CategoricalMode", logits.dtype(), [&]<typename T>(T) {
    LaunchRows<T>("CategoricalMode", stream, logits, {}, ModeTask<ComputeType<T>>{{}, actions.data<uint8_t>()},
                  nothing);
  });
}

void CategoricalLogProbability(Stream& stream, const Array& logits, const Array& actions, Array& y) {
  Array nothing;
  VisitFloating("CategoricalLogProbability", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    LaunchRows<T>(
        "CategoricalLogProbability", stream, logits, {},
        LogProbabilityTask<Value>{
            {}, logits.shape().rows(), SampleCount(logits, actions), actions.data<uint8_t>(), y.data<Value>()},
        nothing);
  });
}

void CategoricalLogProbabilityGradient(Stream& stream, const Array& logits, const Array& actions, const Array& dy,
                                       Array& dlogits) {
  VisitFloating("CategoricalLogProbability", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    LaunchRows<T>(
        "CategoricalLogProbabilityGradient", stream, logits, {},
        LogProbabilityGradientTask<Value>{
            {}, logits.shape().rows(), SampleCount(logits, actions), actions.data<uint8_t>(), dy.data<Value>()},
        dlogits);
  });
}

void CategoricalEntropy(Stream& stream, const Array& logits, Array& y) {
  Array nothing;
  VisitFloating("CategoricalEntropy", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    LaunchRows<T>("CategoricalEntropy", stream, logits, {}, EntropyTask<Value>{{}, y.data<Value>()}, nothing);
  });
}

void CategoricalEntropyGradient(Stream& stream, const Array& logits, const Array& dy, Array& dlogits) {
  VisitFloating("CategoricalEntropy", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    LaunchRows<T>("CategoricalEntropyGradient", stream, logits, {}, EntropyGradientTask<Value>{{}, dy.data<Value>()},
                  dlogits);
  });
}

void CategoricalDivergence(Stream& stream, const Array& logits, const Array& other_logits, Array& y) {
  Array nothing;
  VisitFloating("CategoricalDivergence", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    LaunchRows<T>("CategoricalDivergence", stream, logits, other_logits, DivergenceTask<Value>{{}, y.data<Value>()},
                  nothing);
  });
}

void CategoricalDivergenceGradient(Stream& stream, const Array& logits, const Array& other_logits, int operand,
                                   const Array& dy, Array& dlogits) {
  VisitFloating("CategoricalDivergence", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    LaunchRows<T>("CategoricalDivergenceGradient", stream, logits, other_logits,
                  DivergenceGradientTask<Value>{{}, operand, dy.data<Value>()}, dlogits);
  });
}

}  // namespace rl::cuda
