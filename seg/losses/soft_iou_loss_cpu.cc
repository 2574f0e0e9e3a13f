#include <algorithm>
#include <array>
#include <vector>

#include "autograd/ops/channels_cpu.h"
#include "autograd/runtime/parallel.h"
#include "seg/losses/soft_iou.h"
#include "seg/losses/soft_iou_loss_kernels.h"
#include "seg/metrics/class_counts.h"
#include "seg/metrics/require_labels.h"

namespace seg::cpu {

using autograd::Array;
using autograd::Stream;

void SoftIouForward(Stream&, const Array& probabilities, const Array& labels, Array& losses, Array& slopes) {
  autograd::VisitFloating("SoftIouLosses", probabilities.dtype(), [&]<typename T>(T) {
    using Value = autograd::ComputeType<T>;
    const int64_t images = losses.size(), classes = probabilities.shape()[3];
    const int64_t pixels = images == 0 ? 0 : labels.size() / images;
    RequireLabels("SoftIouLosses", labels, classes);
    const uint8_t* const label = labels.data<uint8_t>();
    const T* const p = probabilities.data<T>();
    std::vector<double> sums(images * 3 * classes);
    autograd::cpu::ChannelSums<Value, 3>(
        images, pixels, classes,
        [=](int64_t image, int64_t pixel) {
          const int64_t i = image * pixels + pixel, k = label[i];
          const Value counts = k == kVoid ? Value(0) : Value(1);
          return [row = p + i * classes, k, counts](int64_t c) {
            const Value own = static_cast<Value>(row[c]) * counts, truth = c == k ? Value(1) : Value(0);
            return std::array<Value, 3>{own * truth, own, truth};
          };
        },
        sums.data());
    for (int64_t image = 0; image < images; ++image) {
      const auto overlap = [&](int64_t k) {
        const double* const own = sums.data() + image * 3 * classes + k;
        return SoftOverlap{own[0], own[classes], own[2 * classes]};
      };
      double loss = 0, present = 0;
      for (int64_t k = 0; k < classes; ++k) {
        if (!overlap(k).Present()) continue;
        loss += overlap(k).Loss();
        ++present;
      }
      losses.data<T>()[image] = static_cast<T>(static_cast<Value>(present > 0 ? loss / present : 0));
      T* const inside = slopes.data<T>() + image * 2 * classes;
      for (int64_t k = 0; k < classes; ++k) {
        const bool counts = overlap(k).Present();
        inside[k] = static_cast<T>(static_cast<Value>(counts ? overlap(k).SlopeInside() / present : 0));
        inside[classes + k] = static_cast<T>(static_cast<Value>(counts ? overlap(k).SlopeOutside() / present : 0));
      }
    }
  });
}

void SoftIouGradient(Stream&, const Array& probabilities, const Array& labels, const Array& slopes, const Array& dy,
                     Array& dlogits) {
  if (dlogits.size() == 0) return;
  autograd::VisitFloating("SoftIouGradient", probabilities.dtype(), [&]<typename T>(T) {
    using Value = autograd::ComputeType<T>;
    const int64_t classes = probabilities.shape()[3], pixels = labels.size() / dy.size();
    const std::vector<Value> slope = autograd::cpu::Widen<Value>(slopes), upstream = autograd::cpu::Widen<Value>(dy);
    const uint8_t* const label = labels.data<uint8_t>();
    const T* const p = probabilities.data<T>();
    T* const out = dlogits.data<T>();
    autograd::ParallelFor(labels.size(), autograd::cpu::RowGrain(classes), [&](int64_t begin, int64_t end) {
      std::vector<Value> own(classes);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t k = label[i], image = i / pixels;
        T* const result = out + i * classes;
        if (k == kVoid) {
          std::fill_n(result, classes, T(Value(0)));
          continue;
        }
        const Value* const inside = slope.data() + image * 2 * classes;
        const Value* const outside = inside + classes;
        const T* const row = p + i * classes;
        for (int64_t c = 0; c < classes; ++c) own[c] = outside[c];
        own[k] = inside[k];
        Value mean = 0;
        for (int64_t c = 0; c < classes; ++c) mean += static_cast<Value>(row[c]) * own[c];
        for (int64_t c = 0; c < classes; ++c)
          result[c] = static_cast<T>(upstream[image] * static_cast<Value>(row[c]) * (own[c] - mean));
      }
    });
  });
}

}  // namespace seg::cpu
