#include <algorithm>
#include <vector>

#include "autograd/ops/softmax_rows_cpu.h"
#include "autograd/runtime/parallel.h"
#include "seg/continual/pseudo_label_rules.h"
#include "seg/continual/pseudo_labels_kernels.h"

namespace seg::cpu {

using autograd::Array;
using autograd::ParallelFor;
using autograd::Stream;

void PixelEntropy(Stream&, const Array& logits, EntropyReading reading, double scale, Array& entropy,
                  Array& prediction) {
  autograd::VisitFloating("PixelEntropy", logits.dtype(), [&]<typename T>(T) {
    using Value = autograd::ComputeType<T>;
    const int64_t classes = logits.shape()[3], pixels = entropy.size();
    const int64_t block = autograd::cpu::BlockRows(classes), blocks = (pixels + block - 1) / block;
    const T* const x = logits.data<T>();
    float* const out = entropy.data<float>();
    uint8_t* const predicted = prediction.data<uint8_t>();
    ParallelFor(blocks, 4, [&](int64_t begin, int64_t end) {
      std::vector<Value> exponentials(block * classes), largest(block), sums(block);
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b * block, rows = std::min(block, pixels - first);
        autograd::cpu::ExponentiateRows(x + first * classes, rows, classes, exponentials.data(), largest.data(),
                                        sums.data());
        for (int64_t r = 0; r < rows; ++r) {
          const T* const row = x + (first + r) * classes;
          const Value* const own = exponentials.data() + r * classes;
          const Value log_sum = autograd::math::Log(sums[r]);
          const Value sum = autograd::cpu::SumLanes<Value>(classes, [&](int64_t c) {
            return EntropyTerm(reading, static_cast<Value>(row[c]) - largest[r], own[c], sums[r], log_sum);
          });
          int64_t best = 0;
          while (best + 1 < classes && static_cast<Value>(row[best]) != largest[r]) ++best;
          out[first + r] = static_cast<float>(static_cast<Value>(scale) * sum);
          predicted[first + r] = static_cast<uint8_t>(best);
        }
      }
    });
  });
}

void CountEntropies(Stream&, const Array& labels, const Array& entropy, const Array& prediction, EntropyReading reading,
                    Array& counts) {
  const int64_t classes = counts.shape()[0], bins = counts.shape()[1];
  const uint8_t *const label = labels.data<uint8_t>(), *const predicted = prediction.data<uint8_t>();
  const float* const u = entropy.data<float>();
  int64_t* const out = counts.data<int64_t>();
  for (int64_t i = 0; i < labels.size(); ++i) {
    if (label[i] == 0 && predicted[i] < classes) ++out[predicted[i] * bins + EntropyBins::Of(reading, u[i])];
  }
}

void PseudoLabel(Stream&, const Array& labels, const Array& entropy, const Array& prediction, const Array& thresholds,
                 Array& pseudo_labels, Array& factor) {
  const int64_t images = labels.shape()[0], pixels = labels.shape()[1] * labels.shape()[2];
  const int64_t classes = thresholds.size();
  ParallelFor(images, 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      int64_t background = 0, certain = 0;
      for (int64_t i = image * pixels; i < (image + 1) * pixels; ++i) {
        const PixelOutcome outcome = OutcomeOf(labels.data<uint8_t>()[i], entropy.data<float>()[i],
                                               prediction.data<uint8_t>()[i], thresholds.data<float>(), classes);
        pseudo_labels.data<uint8_t>()[i] = outcome.label;
        background += outcome.background ? 1 : 0;
        certain += outcome.certain ? 1 : 0;
      }
      factor.data<float>()[image] = AdaptiveFactor(certain, background);
    }
  });
}

}  // namespace seg::cpu
