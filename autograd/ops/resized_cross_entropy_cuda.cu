#include <algorithm>
#include <limits>

#include "autograd/ops/bilinear_cells_cuda.h"
#include "autograd/ops/channels_cuda.h"
#include "autograd/ops/pixel_losses_cuda.h"
#include "autograd/ops/resized_cross_entropy_kernels.h"
#include "autograd/ops/rows_cuda.h"
#include "autograd/ops/softmax_rows_cuda.h"

// Two kernels over the small logits, which the caches hold: pixels look up their four and leave three numbers each;
// then each small logit gathers its gradient from the pixels around it, whose probabilities are computed again, twice
// each. Nothing of the size of the enlarged logits is written or read.

namespace autograd::cuda {
namespace {

// What a pixel's gradient needs, read at once.
template <typename Value>
struct alignas(16) Pixel {
  Value log_sum, factor;  // log Σ exp; the weight, 0 for void
  int label;              // of a void pixel or out of range: any
};

// Blocks of a group's image; they depend on the extents alone.
constexpr unsigned kMostBlocks = 512;

// partial [groups, 2, blocks of a group]; `images` of a group. pixel: null, or [n, H, W].
template <int kLanes, typename T, typename Value>
__global__ void LossKernel(const T* logits, Labels labels, WideOrNarrow<T> weights, WideOrNarrow<T> class_weights,
                           CellAxis<Value> rows, CellAxis<Value> columns, int64_t classes, int64_t images,
                           int64_t label_images, unsigned image_blocks, int void_label, Pixel<Value>* pixel,
                           double* partial) {
  SHARED_MEMORY(shared, double[kWarp]);
  const int64_t image = blockIdx.x / image_blocks, block = blockIdx.x % image_blocks;
  const int64_t pixels = int64_t{rows.out} * columns.out, labels_of_image = image % label_images * pixels;
  const T* const own = logits + image * rows.in * columns.in * classes;
  constexpr int kRows = kWarp / kLanes;
  double loss = 0, valid = 0;
  for (int64_t first = (block * kBlock + threadIdx.x) / kWarp * kRows; first < pixels;
       first += int64_t{image_blocks} * (kBlock / kWarp) * kRows) {
    // Past the end a lane takes the last pixel again, because all take part in the sums.
    const int64_t mine = first + threadIdx.x % kWarp / kLanes, at = min(mine, pixels - 1);
    const int64_t i = Divide(at, columns.out);
    const PixelLogits<T> values(own, rows, columns, classes, static_cast<int>(i),
                                static_cast<int>(at - i * columns.out));
    const RowExponentials<Value> exponentials =
        SumLoadedExponentials<kLanes, 1, Value>([&](int64_t k, Value(&to)[1]) { to[0] = values[k]; }, classes);
    if (mine >= pixels || threadIdx.x % kLanes != 0) continue;
    const Value log_sum = math::Log(exponentials.sum);
    const int label = labels[labels_of_image + at];
    Value factor = 0;
    if (label != void_label) {
      if (label < 0 || label >= classes) {
        loss = valid = std::numeric_limits<double>::quiet_NaN();
      } else {
        double weight = 1;
        if (class_weights.defined()) weight = static_cast<double>(class_weights[label]);
        valid += weight;
        if (weights.defined()) weight *= static_cast<double>(weights[labels_of_image + at]);
        loss += weight * static_cast<double>(log_sum - (values[label] - exponentials.largest));
        factor = static_cast<Value>(weight);
      }
    }
    if (pixel != nullptr) pixel[image * pixels + at] = {exponentials.largest + log_sum, factor, label};
  }
  loss = BlockSum(loss, shared);
  valid = BlockSum(valid, shared);
  if (threadIdx.x == 0) {
    const int64_t group = image / images, blocks = images * image_blocks;
    double* const to = partial + 2 * group * blocks + (image - group * images) * image_blocks + block;
    to[0] = loss;
    to[blocks] = valid;
  }
}

// Small logits of a row that a thread follows. Each cell between two threads' is computed by both.
constexpr int kRun = 16;

// gradient [n, h, w, k]: of each small logit Σ over the pixels of its four cells. A thread has one class of a run of
// columns, whose cells lie in the two rows of cells around it: a pixel is computed for the two rows it is between.
template <typename T, typename Value>
__global__ void GatherKernel(const T* logits, CellAxis<Value> rows, CellAxis<Value> columns, int64_t lines,
                             uint32_t runs, uint32_t classes, const Pixel<Value>* pixel, Value* gradient) {
  const int64_t row_size = int64_t{columns.in} * classes;
  ForEachInRows(lines, runs * classes, [&](int64_t line, uint32_t element) {
    const int64_t image = Divide(line, rows.in);
    const int r = static_cast<int>(line - image * rows.in), run = static_cast<int>(element / classes);
    const int k = static_cast<int>(element - run * classes);
    const int begin = run * kRun, end = min(begin + kRun, columns.in);
    const T* const own = logits + image * rows.in * row_size + k;
    const Pixel<Value>* const pixels = pixel + image * rows.out * columns.out;
    Value* const out = gradient + line * row_size + k;
    Value from_the_left = 0;
    for (int p = max(begin - 1, 0); p < end; ++p) {
      const int64_t left = int64_t{p} * classes, right = int64_t{min(p + 1, columns.in - 1)} * classes;
      const int first = columns.first_output[p], last = columns.first_output[p + 1];
      Value to_left = 0, to_right = 0;
      for (int q = max(r - 1, 0); q <= r; ++q) {
        const T* const above = own + q * row_size;
        const T* const below = own + min(q + 1, rows.in - 1) * row_size;
        const Value above_left = Load(above + left), above_right = Load(above + right), below_left = Load(below + left),
                    below_right = Load(below + right);
        for (int i = rows.first_output[q]; i < rows.first_output[q + 1]; ++i) {
          const Value down = rows.fraction[i];
          const Value on_left = (Value(1) - down) * above_left + down * below_left;
          const Value step = (Value(1) - down) * above_right + down * below_right - on_left;
          Value near_sum = 0, far_sum = 0;
          for (int j = first; j < last; ++j) {
            const Pixel<Value> at = pixels[int64_t{i} * columns.out + j];
            const Value across = columns.fraction[j];
            const Value probability = math::Exp(on_left + across * step - at.log_sum);
            const Value term = at.factor * (probability - (at.label == k ? Value(1) : Value(0)));
            // What a void pixel's logits are does not matter, be they not numbers.
            const Value counted = at.factor == Value(0) ? Value(0) : term;
            near_sum += (Value(1) - across) * counted;
            far_sum += across * counted;
          }
          const Value weight = q == r ? Value(1) - down : down;
          to_left += weight * near_sum;
          to_right += weight * far_sum;
        }
      }
      if (p >= begin) out[left] = from_the_left + to_left;
      from_the_left = to_right;
    }
  });
}

template <int kWidth, typename T, typename Value>
__global__ void ScaleKernel(const Value* gradient, int64_t packs, const double* scale, const Value* dy, T* dlogits) {
  const Value factor = static_cast<Value>(*scale * static_cast<double>(*dy));
  for (int64_t i = GridIndex(); i < packs; i += GridStride()) {
    Value values[kWidth];
    LoadMany(gradient + i * kWidth, values);
    for (int k = 0; k < kWidth; ++k) values[k] *= factor;
    StoreMany(dlogits + i * kWidth, values);
  }
}

}  // namespace

void ResizedCrossEntropyForward(Stream& stream, const Array& logits, const Array& labels, const Array& weights,
                                const Array& class_weights, int void_label, bool count_void, Array& loss, Array& scale,
                                Array& gradient) {
  if (loss.size() == 0) return;
  VisitFloating("ResizedCrossEntropy", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t n = logits.shape()[0], height = logits.shape()[1], width = logits.shape()[2],
                  classes = logits.shape()[3];
    const int64_t out_height = labels.shape()[1], out_width = labels.shape()[2], pixels = out_height * out_width;
    const unsigned groups = static_cast<unsigned>(loss.size());
    Require(classes < (int64_t{1} << 24), "ResizedCrossEntropy", classes, " classes are too many");
    const Cells<Value> cells("ResizedCrossEntropy", stream, height, width, out_height, out_width);
    Array kept;
    if (gradient.defined()) {
      kept = Array::Empty({n * pixels * static_cast<int64_t>(sizeof(Pixel<Value>))}, kUInt8);
    }
    Pixel<Value>* const pixel = gradient.defined() ? reinterpret_cast<Pixel<Value>*>(kept.data<uint8_t>()) : nullptr;
    const auto losses = [&]<int kLanes>(std::integral_constant<int, kLanes>) {
      const unsigned blocks = pixels == 0 ? 0 : std::min(kMostBlocks, BlocksForRows<kLanes>(pixels));
      const int64_t images = n / groups;
      Array partial = Array::Empty({groups, 2, images * blocks}, kFloat64);
      if (partial.size() > 0) {
        Launch("ResizedCrossEntropy", stream, static_cast<unsigned>(n * blocks), kBlock, LossKernel<kLanes, T, Value>,
               logits.data<T>(), Labels(labels), WideOrNarrow<T>(weights), WideOrNarrow<T>(class_weights), cells.rows,
               cells.columns, classes, images, labels.shape()[0], blocks, void_label, pixel, partial.data<double>());
      }
      Launch("ResizedCrossEntropy", stream, groups, kBlock, MeanKernel<Value>, partial.data<double>(), images * blocks,
             count_void, images * pixels, loss.data<Value>(), scale.data<double>());
    };
    // A pixel costs as much as a hundred of its classes, and the lanes that share it all pay.
    if (classes <= 256) {
      losses(std::integral_constant<int, 4>());
    } else {
      losses(std::integral_constant<int, 32>());
    }
    if (gradient.defined() && gradient.size() > 0) {
      const int64_t runs = (width + kRun - 1) / kRun;
      const RowLaunch shape = LaunchOfRows("ResizedCrossEntropy", n * height, runs * classes);
      Launch("ResizedCrossEntropy", stream, shape.grid, shape.block, GatherKernel<T, Value>, logits.data<T>(),
             cells.rows, cells.columns, n * height, runs, classes, pixel, gradient.data<Value>());
    }
  });
}

void ResizedCrossEntropyGradient(Stream& stream, const Array& gradient, const Array& scale, const Array& dy,
                                 Array& dlogits) {
  if (dlogits.size() == 0) return;
  VisitFloating("ResizedCrossEntropy", dlogits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    constexpr int kWidth = Pack<T>::kSize;
    const int64_t size = dlogits.size();
    const bool packed = size % kWidth == 0 && Aligned(gradient.raw(), dlogits.raw());
    const int64_t packs = packed ? size / kWidth : size;
    Launch("ResizedCrossEntropy", stream, Blocks(packs), kBlock,
           packed ? &ScaleKernel<kWidth, T, Value> : &ScaleKernel<1, T, Value>, gradient.data<Value>(), packs,
           scale.data<double>(), dy.data<Value>(), dlogits.data<T>());
  });
}

}  // namespace autograd::cuda
