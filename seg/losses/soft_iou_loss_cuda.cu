#include "autograd/ops/channels_cuda.h"
#include "autograd/ops/softmax_rows_cuda.h"
#include "seg/losses/soft_iou.h"
#include "seg/losses/soft_iou_loss_kernels.h"

namespace seg::cuda {
namespace {

using namespace autograd::cuda;  // NOLINT: what every kernel file shares
using autograd::Array;
using autograd::ComputeType;
using autograd::Stream;

// Σ p·y, Σ p and Σ y of each class.
template <typename T>
struct OverlapTerms {
  using Value = ComputeType<T>;
  static constexpr int kQuantities = 3;

  template <int kWidth>
  struct Column {
    __device__ Column(const OverlapTerms& terms, int64_t, int64_t c) : of(terms), first(c) {}
    __device__ void Add(int64_t row, int64_t offset, Value (&sums)[3][kWidth]) const {
      const int64_t label = of.labels[row];
      if (label >= of.classes) return;
      Value values[kWidth];
      LoadMany(of.probabilities + offset, values);
      for (int k = 0; k < kWidth; ++k) {
        const bool own = label == first + k;
        sums[0][k] += own ? values[k] : Value(0);
        sums[1][k] += values[k];
        sums[2][k] += own ? Value(1) : Value(0);
      }
    }
    const OverlapTerms& of;
    int64_t first;
  };

  const T* probabilities;
  const uint8_t* labels;
  int64_t classes;
};

// sums [b, 3, k] of OverlapTerms → losses [b], slopes [b, 2, k]. One warp an image.
template <typename T>
__global__ void LossesKernel(const double* sums, int64_t images, int64_t classes, T* losses, T* slopes) {
  using Value = ComputeType<T>;
  const int lane = threadIdx.x % kWarp;
  for (int64_t image = GridIndex() / kWarp; image < images; image += GridStride() / kWarp) {
    const auto overlap = [&](int64_t k) {
      const double* const own = sums + image * 3 * classes + k;
      return SoftOverlap{own[0], own[classes], own[2 * classes]};
    };
    double loss = 0, present = 0;
    for (int64_t k = lane; k < classes; k += kWarp) {
      if (!overlap(k).Present()) continue;
      loss += overlap(k).Loss();
      present += 1;
    }
    loss = WarpSum(loss);
    present = WarpSum(present);
    if (lane == 0) losses[image] = static_cast<T>(static_cast<Value>(present > 0 ? loss / present : 0.0));
    T* const inside = slopes + image * 2 * classes;
    for (int64_t k = lane; k < classes; k += kWarp) {
      const bool counts = overlap(k).Present();
      inside[k] = static_cast<T>(static_cast<Value>(counts ? overlap(k).SlopeInside() / present : 0.0));
      inside[classes + k] = static_cast<T>(static_cast<Value>(counts ? overlap(k).SlopeOutside() / present : 0.0));
    }
  }
}

template <int kLanes, typename T>
__global__ void GradientKernel(const T* probabilities, const uint8_t* labels, const T* slopes, const T* dy,
                               int64_t images, int64_t pixels, int64_t classes, T* dlogits) {
  using Value = ComputeType<T>;
  ForEachRow<kLanes>(images * pixels, [&](int64_t i, bool inside) {
    const int64_t label = labels[i], image = i / pixels;
    const T* const row = probabilities + i * classes;
    const T* const own = slopes + image * 2 * classes;
    const auto slope = [&](int64_t c) { return Load(own + (c == label ? c : classes + c)); };
    Value mean = 0;
    for (int64_t c = threadIdx.x % kLanes; c < classes; c += kLanes) mean += Load(row + c) * slope(c);
    mean = LanesSum<kLanes>(mean);
    if (!inside) return;
    const Value upstream = label < classes ? Load(dy + image) : Value(0);
    T* const out = dlogits + i * classes;
    for (int64_t c = threadIdx.x % kLanes; c < classes; c += kLanes)
      out[c] = static_cast<T>(upstream * Load(row + c) * (slope(c) - mean));
  });
}

}  // namespace

void SoftIouForward(Stream& stream, const Array& probabilities, const Array& labels, Array& losses, Array& slopes) {
  const int64_t images = losses.size(), classes = probabilities.shape()[3];
  if (images == 0) return;
  autograd::VisitFloating("SoftIouLosses", probabilities.dtype(), [&]<typename T>(T) {
    Array sums = Array::Empty({images, 3, classes}, autograd::kFloat64);
    ChannelSums<Pack<T>::kSize>("SoftIouLosses", stream, images, labels.size() / images, classes,
                                classes % Pack<T>::kSize == 0 && Aligned(probabilities.raw()),
                                OverlapTerms<T>{probabilities.data<T>(), labels.data<uint8_t>(), classes},
                                KeptSums<3>{sums.data<double>(), classes});
    Launch("SoftIouLosses", stream, Blocks(images * kWarp), kBlock, LossesKernel<T>, sums.data<double>(), images,
           classes, losses.data<T>(), slopes.data<T>());
  });
}

void SoftIouGradient(Stream& stream, const Array& probabilities, const Array& labels, const Array& slopes,
                     const Array& dy, Array& dlogits) {
  if (dlogits.size() == 0) return;
  autograd::VisitFloating("SoftIouGradient", probabilities.dtype(), [&]<typename T>(T) {
    const int64_t classes = probabilities.shape()[3];
    VisitLanes<1>(classes, [&]<int kLanes>(std::integral_constant<int, kLanes>) {
      Launch("SoftIouGradient", stream, BlocksForRows<kLanes>(labels.size()), kBlock, GradientKernel<kLanes, T>,
             probabilities.data<T>(), labels.data<uint8_t>(), slopes.data<T>(), dy.data<T>(), dy.size(),
             labels.size() / dy.size(), classes, dlogits.data<T>());
    });
  });
}

}  // namespace seg::cuda
