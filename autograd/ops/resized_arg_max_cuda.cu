#include "autograd/ops/arg_max_cuda.h"
#include "autograd/ops/bilinear_cells_cuda.h"
#include "autograd/ops/gather_kernels.h"
#include "autograd/ops/resized_arg_max_kernels.h"

namespace autograd::cuda {
namespace {

// One warp a pixel, which looks up its four small logits.
template <typename T, typename Value, typename Index>
__global__ void ResizedArgMaxKernel(const T* logits, CellAxis<Value> rows, CellAxis<Value> columns, int64_t classes,
                                    int64_t count, Index* y) {
  const int64_t pixels = int64_t{rows.out} * columns.out, image_size = int64_t{rows.in} * columns.in * classes;
  for (int64_t at = GridIndex() / kWarp; at < count; at += GridStride() / kWarp) {
    const int64_t image = at / pixels, pixel = at - image * pixels, i = pixel / columns.out;
    const PixelLogits<T> values(logits + image * image_size, rows, columns, classes, static_cast<int>(i),
                                static_cast<int>(pixel - i * columns.out));
    const int64_t where = ArgMaxOfWarp<Value>(classes, [&](int64_t k) { return values[k]; });
    if (threadIdx.x % kWarp == 0) y[at] = static_cast<Index>(where);
  }
}

}  // namespace

void ResizedArgMax(Stream& stream, const Array& logits, Array& y) {
  if (y.size() == 0) return;
  VisitFloating("ResizedArgMax", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const Cells<Value> cells("ResizedArgMax", stream, logits.shape()[1], logits.shape()[2], y.shape()[1], y.shape()[2]);
    VisitIndex("ResizedArgMax", y.dtype(), [&]<typename Index>(Index) {
      Launch("ResizedArgMax", stream, Blocks(y.size() * kWarp), kBlock, ResizedArgMaxKernel<T, Value, Index>,
             logits.data<T>(), cells.rows, cells.columns, logits.shape()[3], y.size(), y.data<Index>());
    });
  });
}

}  // namespace autograd::cuda
