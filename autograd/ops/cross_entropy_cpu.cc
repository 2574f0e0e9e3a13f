#include <algorithm>
#include <vector>

#include "autograd/ops/channels_cpu.h"
#include "autograd/ops/cross_entropy_kernels.h"
#include "autograd/ops/pixel_losses_cpu.h"
#include "autograd/ops/softmax_rows_cpu.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// Partial sums are cut at fixed places: after so many blocks of rows.
constexpr int64_t kChunkBlocks = 8;

}  // namespace

void CrossEntropyForward(Stream&, const Array& logits, const Array& labels, const Array& weights,
                         const Array& class_weights, int void_label, bool count_void, Array& loss, Array& log_sum_exp,
                         Array& scale) {
  const int64_t groups = loss.size();
  if (groups == 0) return;
  VisitFloating("CrossEntropy", logits.dtype(), [&]<typename T>(T) {
    VisitLabels(labels, [&]<typename Label>(const Label* label) {
      using Value = ComputeType<T>;
      const int64_t classes = logits.shape()[-1], pixels = labels.size() / groups, block = BlockRows(classes);
      const int64_t chunk = kChunkBlocks * block, chunks = (pixels + chunk - 1) / chunk;
      const std::vector<Value> weight = weights.defined() ? Widen<Value>(weights) : std::vector<Value>();
      const std::vector<Value> class_weight =
          class_weights.defined() ? Widen<Value>(class_weights) : std::vector<Value>();
      const T* const in = logits.data<T>();
      Value* const log_sums = log_sum_exp.data<Value>();
      std::vector<PixelLosses> partial(groups * chunks);
      ParallelFor(groups * chunks, 1, [&](int64_t begin, int64_t end) {
        std::vector<Value> exponentials(block * classes), largest(block), sums(block);
        for (int64_t task = begin; task < end; ++task) {
          PixelLosses& total = partial[task];
          const int64_t group_end = (task / chunks + 1) * pixels;
          const int64_t start = task / chunks * pixels + task % chunks * chunk;
          for (int64_t first = start; first < std::min(group_end, start + chunk); first += block) {
            const int64_t count = std::min(block, group_end - first);
            ExponentiateRows(in + first * classes, count, classes, exponentials.data(), largest.data(), sums.data());
            for (int64_t i = first; i < first + count; ++i) {
              const Value log_sum = math::Log(sums[i - first]), maximum = largest[i - first];
              log_sums[i] = maximum + log_sum;
              const int64_t k = label[i];
              if (k == void_label) continue;
              if (k < 0 || k >= classes) {
                if (total.offender < 0) total.offender = i;
                continue;
              }
              Value value = log_sum - (static_cast<Value>(in[i * classes + k]) - maximum);
              if (!class_weight.empty()) {
                value *= class_weight[k];
                total.weight += static_cast<double>(class_weight[k]);
              }
              total.loss += static_cast<double>(weight.empty() ? value : weight[i] * value);
              ++total.valid;
            }
          }
        }
      });
      StoreMeans<Value>("CrossEntropy", partial, {!class_weight.empty(), count_void, pixels}, logits, labels, label,
                        void_label, loss, scale);
    });
  });
}

void CrossEntropyGradient(Stream&, const Array& logits, const Array& labels, const Array& weights,
                          const Array& class_weights, int void_label, const Array& log_sum_exp, const Array& scale,
                          const Array& dy, Array& dlogits) {
  VisitFloating("CrossEntropyGradient", logits.dtype(), [&]<typename T>(T) {
    VisitLabels(labels, [&]<typename Label>(const Label* label) {
      using Value = ComputeType<T>;
      const int64_t classes = logits.shape()[-1], pixels = labels.size(), block = BlockRows(classes);
      const std::vector<Value> weight = weights.defined() ? Widen<Value>(weights) : std::vector<Value>();
      const std::vector<Value> class_weight =
          class_weights.defined() ? Widen<Value>(class_weights) : std::vector<Value>();
      const double common = scale.data<double>()[0] * static_cast<double>(dy.data<Value>()[0]);
      const T* const in = logits.data<T>();
      const Value* const log_sums = log_sum_exp.data<Value>();
      T* const out = dlogits.data<T>();
      ParallelFor(pixels, kChunkBlocks * block, [&](int64_t begin, int64_t end) {
        std::vector<Value> probabilities(block * classes);
        for (int64_t first = begin; first < end; first += block) {
          const int64_t count = std::min(block, end - first);
          for (int64_t r = 0; r < count; ++r) {
            const T* const row = in + (first + r) * classes;
            Value* const shifted = probabilities.data() + r * classes;
            const Value log_sum = log_sums[first + r];
            for (int64_t c = 0; c < classes; ++c) shifted[c] = static_cast<Value>(row[c]) - log_sum;
          }
          ExponentiateInPlace(probabilities.data(), count * classes);
          for (int64_t r = 0; r < count; ++r) {
            const int64_t i = first + r, k = label[i];
            T* const result = out + i * classes;
            if (k == void_label) {
              std::fill_n(result, classes, T(Value(0)));
              continue;
            }
            const double weighted = class_weight.empty() ? common : common * static_cast<double>(class_weight[k]);
            const Value factor = static_cast<Value>(weight.empty() ? weighted : weighted * weight[i]);
            const Value* const p = probabilities.data() + r * classes;
            for (int64_t c = 0; c < classes; ++c) result[c] = static_cast<T>(factor * p[c]);
            result[k] = static_cast<T>(factor * (p[k] - Value(1)));
          }
        }
      });
    });
  });
}

}  // namespace autograd::cpu
