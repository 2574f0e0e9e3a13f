#include <algorithm>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "rl/policies/categorical_kernels.h"
#include "rl/policies/softmax_block_cpu.h"

namespace rl::cpu {

using autograd::Array;
using autograd::ComputeType;
using autograd::ParallelFor;
using autograd::Philox;
using autograd::PhiloxWords;
using autograd::RandomKey;
using autograd::Stream;
using autograd::UniformFloat;
using autograd::VisitFloating;

namespace {

constexpr int64_t kRows = kBlockRows;

// Two policies side by side.
template <typename Value>
struct BlockPair {
  explicit BlockPair(int64_t classes) : first(classes), second(classes) {}
  SoftmaxBlock<Value> first, second;
};

}  // namespace

void CategoricalSample(Stream&, const Array& logits, const RandomKey& key, int64_t first_position, Array& actions) {
  const int64_t classes = logits.shape()[-1], positions = logits.shape().rows();
  const int64_t count = actions.shape()[0];
  uint8_t* out = actions.data<uint8_t>();
  const RandomKey now = key.Now();
  VisitFloating("CategoricalSample", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = logits.data<T>();
    ForEachBlock(
        positions, [&] { return SoftmaxBlock<Value>(classes); },
        [&](SoftmaxBlock<Value>& block, int64_t first, int64_t rows) {
          block.Load(in + first * classes, rows);
          for (int64_t group = 0; group < count; group += 4) {
            uint32_t words[4][kRows];
            for (int64_t r = 0; r < kRows; ++r) {
              const uint64_t counter =
                  static_cast<uint64_t>(group / 4) << 40 | static_cast<uint64_t>(first_position + first + r);
              const PhiloxWords four = Philox(now, counter);
              words[0][r] = four.x;
              words[1][r] = four.y;
              words[2][r] = four.z;
              words[3][r] = four.w;
            }
            for (int64_t lane = 0; lane < 4 && group + lane < count; ++lane) {
              // Inverse of the cumulative distribution: the action is the number of classes whose running total is at
              // most u·total. u <= 1 − 2^-24 keeps that below the total, so a class of probability 0 is never drawn.
              Value threshold[kRows], running[kRows] = {};
              int32_t action[kRows] = {};
              for (int64_t r = 0; r < kRows; ++r) {
                threshold[r] = static_cast<Value>(UniformFloat(words[lane][r])) * block.total()[r];
              }
              for (int64_t k = 0; k + 1 < classes; ++k) {
                const Value* exponential = block.exponential(k);
                for (int64_t r = 0; r < kRows; ++r) {
                  running[r] += exponential[r];
                  action[r] += running[r] <= threshold[r] ? 1 : 0;
                }
              }
              uint8_t* to = out + (group + lane) * positions + first;
              for (int64_t r = 0; r < rows; ++r) to[r] = static_cast<uint8_t>(action[r]);
            }
          }
        });
  });
}

void CategoricalMode(Stream&, const Array& logits, Array& actions) {
  const int64_t classes = logits.shape()[-1], positions = logits.shape().rows();
  uint8_t* out = actions.data<uint8_t>();
  VisitFloating("CategoricalMode", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = logits.data<T>();
    ParallelFor(positions, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t q = begin; q < end; ++q) {
        const T* row = in + q * classes;
        int64_t best = 0;
        for (int64_t k = 1; k < classes; ++k) {
          if (static_cast<Value>(row[k]) > static_cast<Value>(row[best])) best = k;
        }
        out[q] = static_cast<uint8_t>(best);
      }
    });
  });
}

void CategoricalLogProbability(Stream&, const Array& logits, const Array& actions, Array& y) {
  const int64_t classes = logits.shape()[-1], positions = logits.shape().rows();
  const int64_t count = positions == 0 ? 0 : actions.size() / positions;
  const uint8_t* taken = actions.data<uint8_t>();
  VisitFloating("CategoricalLogProbability", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = logits.data<T>();
    Value* out = y.data<Value>();
    ForEachBlock(
        positions, [&] { return SoftmaxBlock<Value>(classes); },
        [&](SoftmaxBlock<Value>& block, int64_t first, int64_t rows) {
          block.Load(in + first * classes, rows);
          block.TakeLogarithms();
          for (int64_t i = 0; i < count; ++i) {
            const int64_t offset = i * positions + first;
            for (int64_t r = 0; r < rows; ++r) {
              RequireClass("CategoricalLogProbability", taken[offset + r], classes);
              out[offset + r] = block.LogProbability(taken[offset + r], r);
            }
          }
        });
  });
}

void CategoricalLogProbabilityGradient(Stream&, const Array& logits, const Array& actions, const Array& dy,
                                       Array& dlogits) {
  const int64_t classes = logits.shape()[-1], positions = logits.shape().rows();
  const int64_t count = positions == 0 ? 0 : actions.size() / positions;
  const uint8_t* taken = actions.data<uint8_t>();
  VisitFloating("CategoricalLogProbability", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = logits.data<T>();
    const Value* upstream = dy.data<Value>();
    T* out = dlogits.data<T>();
    struct Workspace {
      explicit Workspace(int64_t classes) : block(classes), taken(classes * kRows) {}
      SoftmaxBlock<Value> block;
      std::vector<Value> taken;  // [classes, kRows]: Σ dy over the samples that took the class
    };
    ForEachBlock(
        positions, [&] { return Workspace(classes); },
        [&](Workspace& work, int64_t first, int64_t rows) {
          work.block.Load(in + first * classes, rows);
          std::fill(work.taken.begin(), work.taken.end(), Value(0));
          Value sum[kRows] = {};
          for (int64_t i = 0; i < count; ++i) {
            const int64_t offset = i * positions + first;
            for (int64_t r = 0; r < rows; ++r) {
              work.taken[taken[offset + r] * kRows + r] += upstream[offset + r];
              sum[r] += upstream[offset + r];
            }
          }
          StoreRows(classes, rows, out + first * classes, [&](int64_t k, int64_t r) {
            return work.taken[k * kRows + r] - sum[r] * work.block.exponential(k)[r] / work.block.total()[r];
          });
        });
  });
}

void CategoricalEntropy(Stream&, const Array& logits, Array& y) {
  const int64_t classes = logits.shape()[-1], positions = logits.shape().rows();
  VisitFloating("CategoricalEntropy", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = logits.data<T>();
    Value* out = y.data<Value>();
    ForEachBlock(
        positions, [&] { return SoftmaxBlock<Value>(classes); },
        [&](SoftmaxBlock<Value>& block, int64_t first, int64_t rows) {
          block.Load(in + first * classes, rows);
          block.TakeLogarithms();
          Value entropy[kRows];
          block.Entropy(entropy);
          std::copy(entropy, entropy + rows, out + first);
        });
  });
}

void CategoricalEntropyGradient(Stream&, const Array& logits, const Array& dy, Array& dlogits) {
  const int64_t classes = logits.shape()[-1], positions = logits.shape().rows();
  VisitFloating("CategoricalEntropy", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = logits.data<T>();
    const Value* upstream = dy.data<Value>();
    T* out = dlogits.data<T>();
    ForEachBlock(
        positions, [&] { return SoftmaxBlock<Value>(classes); },
        [&](SoftmaxBlock<Value>& block, int64_t first, int64_t rows) {
          block.Load(in + first * classes, rows);
          block.TakeLogarithms();
          Value entropy[kRows];
          block.Entropy(entropy);
          StoreRows(classes, rows, out + first * classes, [&](int64_t k, int64_t r) {
            const Value e = block.exponential(k)[r];
            return e > Value(0)
                       ? -upstream[first + r] * e / block.total()[r] * (block.LogProbability(k, r) + entropy[r])
                       : Value(0);
          });
        });
  });
}

void CategoricalDivergence(Stream&, const Array& logits, const Array& other_logits, Array& y) {
  const int64_t classes = logits.shape()[-1], positions = logits.shape().rows();
  VisitFloating("CategoricalDivergence", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T *in = logits.data<T>(), *other_in = other_logits.data<T>();
    Value* out = y.data<Value>();
    ForEachBlock(
        positions, [&] { return BlockPair<Value>(classes); },
        [&](BlockPair<Value>& blocks, int64_t first, int64_t rows) {
          auto& [block, other] = blocks;
          block.Load(in + first * classes, rows);
          other.Load(other_in + first * classes, rows);
          block.TakeLogarithms();
          other.TakeLogarithms();
          Value divergence[kRows];
          block.Divergence(other, divergence);
          std::copy(divergence, divergence + rows, out + first);
        });
  });
}

void CategoricalDivergenceGradient(Stream&, const Array& logits, const Array& other_logits, int operand,
                                   const Array& dy, Array& dlogits) {
  const int64_t classes = logits.shape()[-1], positions = logits.shape().rows();
  VisitFloating("CategoricalDivergence", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T *in = logits.data<T>(), *other_in = other_logits.data<T>();
    const Value* upstream = dy.data<Value>();
    T* out = dlogits.data<T>();
    ForEachBlock(
        positions, [&] { return BlockPair<Value>(classes); },
        [&](BlockPair<Value>& blocks, int64_t first, int64_t rows) {
          const auto& block = blocks.first;
          const auto& other = blocks.second;
          blocks.first.Load(in + first * classes, rows);
          blocks.second.Load(other_in + first * classes, rows);
          blocks.first.TakeLogarithms();
          blocks.second.TakeLogarithms();
          Value divergence[kRows];
          block.Divergence(other, divergence);
          StoreRows(classes, rows, out + first * classes, [&](int64_t k, int64_t r) -> Value {
            const Value probability = block.exponential(k)[r] / block.total()[r];
            if (operand == 1) return upstream[first + r] * (other.exponential(k)[r] / other.total()[r] - probability);
            if (probability == Value(0)) return Value(0);
            return upstream[first + r] * probability *
                   (block.LogProbability(k, r) - other.LogProbability(k, r) - divergence[r]);
          });
        });
  });
}

}  // namespace rl::cpu
