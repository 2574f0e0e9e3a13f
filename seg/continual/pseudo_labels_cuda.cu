#include "autograd/ops/softmax_rows_cuda.h"
#include "seg/continual/pseudo_label_rules.h"
#include "seg/continual/pseudo_labels_kernels.h"

namespace seg::cuda {
namespace {

using namespace autograd::cuda;  // NOLINT: what every kernel file shares
using autograd::Array;
using autograd::ComputeType;
using autograd::Stream;

constexpr int64_t kChunk = 1 << 12;  // pixels of an image that one block counts

// Pixels are counted in integers, with atomics: their order does not matter.
using Counter = unsigned long long;  // NOLINT: what atomicAdd takes

template <int kLanes, int kWidth, typename T>
__global__ void EntropyKernel(const T* x, int64_t rows, int64_t width, EntropyReading reading, ComputeType<T> scale,
                              float* entropy, uint8_t* prediction) {
  using Value = ComputeType<T>;
  ForEachRow<kLanes>(rows, [&](int64_t r, bool inside) {
    const T* const row = x + r * width;
    const RowExponentials<Value> exponentials = SumExponentials<kLanes, kWidth>(row, width);
    const Value log_sum = autograd::math::Log(exponentials.sum);
    Value sum = 0;
    int after_best = 0;  // how far the first largest is from the end, for LanesMax
    for (int64_t c = threadIdx.x % kLanes * kWidth; c < width; c += kLanes * kWidth) {
      Value values[kWidth];
      LoadMany(row + c, values);
      for (int k = 0; k < kWidth; ++k) {
        const Value shifted = values[k] - exponentials.largest;
        sum += EntropyTerm(reading, shifted, autograd::math::Exp(shifted), exponentials.sum, log_sum);
        if (values[k] == exponentials.largest && after_best == 0) after_best = static_cast<int>(width - c - k);
      }
    }
    sum = LanesSum<kLanes>(sum);
    after_best = LanesMax<kLanes>(after_best);
    if (!inside || threadIdx.x % kLanes != 0) return;
    entropy[r] = static_cast<float>(scale * sum);
    prediction[r] = static_cast<uint8_t>(after_best == 0 ? width - 1 : width - after_best);
  });
}

__global__ void CountKernel(const uint8_t* labels, const float* entropy, const uint8_t* prediction, int64_t pixels,
                            int64_t classes, int64_t bins, EntropyReading reading, Counter* counts) {
  for (int64_t i = GridIndex(); i < pixels; i += GridStride()) {
    if (labels[i] != 0 || prediction[i] >= classes) continue;
    atomicAdd(&counts[prediction[i] * bins + EntropyBins::Of(reading, entropy[i])], Counter(1));
  }
}

// Block (chunk, image); counts int32 [n, 2]: certain pixels and those of the background.
__global__ void __launch_bounds__(kBlock)
    LabelKernel(const uint8_t* labels, const float* entropy, const uint8_t* prediction, const float* thresholds,
                int64_t pixels, int64_t chunks, int64_t classes, uint8_t* pseudo_labels, int32_t* counts) {
  const int64_t image = blockIdx.x / chunks, first = blockIdx.x % chunks * kChunk, last = min(pixels, first + kChunk);
  int certain = 0, background = 0;
  for (int64_t at = first + threadIdx.x; at < last; at += kBlock) {
    const int64_t i = image * pixels + at;
    const PixelOutcome outcome = OutcomeOf(labels[i], entropy[i], prediction[i], thresholds, classes);
    pseudo_labels[i] = outcome.label;
    certain += outcome.certain ? 1 : 0;
    background += outcome.background ? 1 : 0;
  }
  certain = WarpSum(certain);
  background = WarpSum(background);
  if (threadIdx.x % kWarp != 0) return;
  if (certain > 0) atomicAdd(&counts[image * 2], certain);
  if (background > 0) atomicAdd(&counts[image * 2 + 1], background);
}

__global__ void FactorKernel(const int32_t* counts, int64_t images, float* factor) {
  for (int64_t i = GridIndex(); i < images; i += GridStride())
    factor[i] = AdaptiveFactor(counts[i * 2], counts[i * 2 + 1]);
}

}  // namespace

void PixelEntropy(Stream& stream, const Array& logits, EntropyReading reading, double scale, Array& entropy,
                  Array& prediction) {
  if (entropy.size() == 0) return;
  autograd::VisitFloating("PixelEntropy", logits.dtype(), [&]<typename T>(T) {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t width = logits.shape()[3], rows = entropy.size();
    const auto launch = [&]<int kLanes, int kWidth>(std::integral_constant<int, kLanes>,
                                                    std::integral_constant<int, kWidth>) {
      Launch("PixelEntropy", stream, BlocksForRows<kLanes>(rows), kBlock, EntropyKernel<kLanes, kWidth, T>,
             logits.data<T>(), rows, width, reading, scale, entropy.data<float>(), prediction.data<uint8_t>());
    };
    VisitLanesAndWidth<kSize>(width, width % kSize == 0 && Aligned(logits.raw()), launch);
  });
}

void CountEntropies(Stream& stream, const Array& labels, const Array& entropy, const Array& prediction,
                    EntropyReading reading, Array& counts) {
  if (labels.size() == 0) return;
  Launch("CountEntropies", stream, Blocks(labels.size()), kBlock, CountKernel, labels.data<uint8_t>(),
         entropy.data<float>(), prediction.data<uint8_t>(), labels.size(), counts.shape()[0], counts.shape()[1],
         reading, static_cast<Counter*>(counts.raw()));
}

void PseudoLabel(Stream& stream, const Array& labels, const Array& entropy, const Array& prediction,
                 const Array& thresholds, Array& pseudo_labels, Array& factor) {
  const int64_t images = labels.shape()[0], pixels = labels.shape()[1] * labels.shape()[2];
  if (images == 0) return;
  Array counts = Array::Zeros({images, 2}, autograd::kInt32);
  const int64_t chunks = (pixels + kChunk - 1) / kChunk;
  if (chunks > 0) {
    Launch("PseudoLabel", stream, static_cast<unsigned>(images * chunks), kBlock, LabelKernel, labels.data<uint8_t>(),
           entropy.data<float>(), prediction.data<uint8_t>(), thresholds.data<float>(), pixels, chunks,
           thresholds.size(), pseudo_labels.data<uint8_t>(), counts.data<int32_t>());
  }
  Launch("PseudoLabel", stream, Blocks(images), kBlock, FactorKernel, counts.data<int32_t>(), images,
         factor.data<float>());
}

}  // namespace seg::cuda
