#include <algorithm>
#include <limits>

#include "autograd/ops/channels_cuda.h"
#include "autograd/ops/cross_entropy_kernels.h"
#include "autograd/ops/pixel_losses_cuda.h"
#include "autograd/ops/softmax_rows_cuda.h"

namespace autograd::cuda {
namespace {

// partial[group, 0, b] and partial[group, 1, b]: of the valid pixels of block b of the group blockIdx.y the losses, and
// the sum of their class weights or their number; both NaN where a label is out of range. The logits are read once, and
// bound the kernel.
template <int kLanes, typename T, typename Value = ComputeType<T>>
__global__ void ForwardKernel(const T* logits, Labels labels, WideOrNarrow<T> weights, WideOrNarrow<T> class_weights,
                              int64_t pixels, int64_t classes, int void_label, Value* log_sum_exp, double* partial) {
  SHARED_MEMORY(shared, double[kWarp]);
  const int64_t first = blockIdx.y * pixels;
  double loss = 0, valid = 0;
  ForEachRow<kLanes>(pixels, [&](int64_t in_group, bool inside) {
    const int64_t i = first + in_group;
    const T* const row = logits + i * classes;
    const RowExponentials<Value> exponentials = SumExponentials<kLanes, 1>(row, classes);
    if (!inside || threadIdx.x % kLanes != 0) return;
    const Value log_sum = math::Log(exponentials.sum);
    log_sum_exp[i] = exponentials.largest + log_sum;
    const int k = labels[i];
    if (k == void_label) return;
    if (k < 0 || k >= classes) {
      loss = valid = std::numeric_limits<double>::quiet_NaN();
      return;
    }
    Value value = log_sum - (Load(row + k) - exponentials.largest);
    if (class_weights.defined()) value *= class_weights[k];
    loss += static_cast<double>(weights.defined() ? weights[i] * value : value);
    valid += class_weights.defined() ? static_cast<double>(class_weights[k]) : 1.0;
  });
  loss = BlockSum(loss, shared);
  valid = BlockSum(valid, shared);
  if (threadIdx.x == 0) {
    double* const own = partial + int64_t{2} * blockIdx.y * gridDim.x + blockIdx.x;
    own[0] = loss;
    own[gridDim.x] = valid;
  }
}

// Pixels of a tile: with any number of classes its logits begin at a multiple of 16 bytes.
constexpr int kTile = 128;

template <typename Value>
struct Pixel {
  Value log_sum, factor;
  int label;  // -1 is void
};

// `kWidth` neighbours of a tile's logits from `position` on.
template <int kWidth, typename T, typename Value>
__device__ void StoreGradients(const T* logits, const Pixel<Value>* pixels, unsigned position, unsigned classes,
                               T* dlogits) {
  Value values[kWidth];
  LoadMany(logits + position, values);
  unsigned i = position / classes, c = position - i * classes;
  for (int k = 0; k < kWidth; ++k) {
    const Pixel<Value>& pixel = pixels[i];
    const Value target = static_cast<int>(c) == pixel.label ? Value(1) : Value(0);
    values[k] = pixel.label < 0 ? Value(0) : pixel.factor * (math::Exp(values[k] - pixel.log_sum) - target);
    if (++c == classes) {
      c = 0;
      ++i;
    }
  }
  StoreMany(dlogits + position, values);
}

// A block a tile: what belongs to its pixels waits in shared memory, and its logits are one row of packs.
template <int kWidth, typename T, typename Value = ComputeType<T>>
__global__ void GradientKernel(const T* logits, Labels labels, WideOrNarrow<T> weights, WideOrNarrow<T> class_weights,
                               int64_t pixels, int64_t classes, int void_label, const Value* log_sum_exp,
                               const double* scale, const Value* dy, T* dlogits) {
  SHARED_MEMORY(tile, Pixel<Value>[kTile]);
  const double common = *scale * static_cast<double>(*dy);
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kTile; first < pixels; first += int64_t{gridDim.x} * kTile) {
    const unsigned count = static_cast<unsigned>(min(static_cast<int64_t>(kTile), pixels - first));
    __syncthreads();
    if (threadIdx.x < count) {
      const int64_t i = first + threadIdx.x;
      const int label = labels[i];
      // Where a label is out of range, `common` is NaN.
      const bool weighted = class_weights.defined() && label >= 0 && label < classes;
      const double of_class = weighted ? common * class_weights[label] : common;
      tile[threadIdx.x] = {log_sum_exp[i], static_cast<Value>(weights.defined() ? of_class * weights[i] : of_class),
                           label == void_label ? -1 : max(label, 0)};
    }
    __syncthreads();
    const T* const in = logits + first * classes;
    T* const out = dlogits + first * classes;
    const unsigned width = static_cast<unsigned>(classes), size = count * width, packed = size / kWidth * kWidth;
    for (unsigned k = threadIdx.x * kWidth; k < packed; k += kBlock * kWidth) {
      StoreGradients<kWidth>(in, tile, k, width, out);
    }
    for (unsigned k = packed + threadIdx.x; k < size; k += kBlock) StoreGradients<1>(in, tile, k, width, out);
  }
}

}  // namespace

void CrossEntropyForward(Stream& stream, const Array& logits, const Array& labels, const Array& weights,
                         const Array& class_weights, int void_label, bool count_void, Array& loss, Array& log_sum_exp,
                         Array& scale) {
  if (loss.size() == 0) return;
  VisitFloating("CrossEntropy", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t classes = logits.shape()[-1], pixels = labels.size() / loss.size();
    const unsigned groups = static_cast<unsigned>(loss.size());
    VisitLanes<1>(classes, [&]<int kLanes>(std::integral_constant<int, kLanes>) {
      const unsigned blocks = pixels == 0 ? 0 : std::min(2048u, BlocksForRows<kLanes>(pixels));
      Array partial = Array::Empty({groups, 2, blocks}, kFloat64);
      if (blocks > 0) {
        Launch("CrossEntropy", stream, dim3(blocks, groups), kBlock, ForwardKernel<kLanes, T, Value>, logits.data<T>(),
               Labels(labels), WideOrNarrow<T>(weights), WideOrNarrow<T>(class_weights), pixels, classes, void_label,
               log_sum_exp.data<Value>(), partial.data<double>());
      }
      Launch("CrossEntropy", stream, groups, kBlock, MeanKernel<Value>, partial.data<double>(), blocks, count_void,
             pixels, loss.data<Value>(), scale.data<double>());
    });
  });
}

void CrossEntropyGradient(Stream& stream, const Array& logits, const Array& labels, const Array& weights,
                          const Array& class_weights, int void_label, const Array& log_sum_exp, const Array& scale,
                          const Array& dy, Array& dlogits) {
  if (dlogits.size() == 0) return;
  VisitFloating("CrossEntropyGradient", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t classes = logits.shape()[-1], pixels = labels.size();
    Require(classes < (int64_t{1} << 24), "CrossEntropyGradient", classes, " classes are too many");
    Launch(
        "CrossEntropyGradient", stream, Blocks(pixels, kTile), kBlock,
        Aligned(logits.raw(), dlogits.raw()) ? &GradientKernel<Pack<T>::kSize, T, Value> : &GradientKernel<1, T, Value>,
        logits.data<T>(), Labels(labels), WideOrNarrow<T>(weights), WideOrNarrow<T>(class_weights), pixels, classes,
        void_label, log_sum_exp.data<Value>(), scale.data<double>(), dy.data<Value>(), dlogits.data<T>());
  });
}

}  // namespace autograd::cuda
