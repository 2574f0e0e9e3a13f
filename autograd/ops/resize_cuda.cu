#include "autograd/ops/resize_kernels.h"
#include "autograd/ops/rows_cuda.h"

namespace autograd::cuda {
namespace {

// A row of the result is `out_width` pixels of `units` units. `half` is 1 where places count from a result's centre.
template <typename Unit>
__global__ void NearestKernel(const Unit* x, int64_t rows, uint32_t height, uint32_t width, uint32_t half,
                              uint32_t out_height, uint32_t out_width, uint32_t units, Unit* y) {
  ForEachInRows(rows, out_width * units, [&](int64_t row, uint32_t element) {
    const uint32_t j = element / units;
    const int64_t image = Divide(row, out_height), i = row - image * out_height;
    const int64_t from_row = Divide((2 * i + half) * height, 2 * int64_t{out_height}),
                  from_column = Divide((2 * int64_t{j} + half) * width, 2 * int64_t{out_width});
    y[row * (out_width * units) + element] =
        x[((image * height + from_row) * width + from_column) * units + (element - j * units)];
  });
}

}  // namespace

void ResizeNearestForward(Stream& stream, const Array& x, bool exact, Array& y) {
  if (y.size() == 0) return;
  const uint64_t bytes = x.shape()[3] * SizeOf(x.dtype());
  const int64_t rows = y.shape()[0] * y.shape()[1];
  VisitCopyUnit(bytes | AddressBits(x.raw()) | AddressBits(y.raw()), [&]<typename Unit>(Unit) {
    const int64_t units = static_cast<int64_t>(bytes / sizeof(Unit));
    const RowLaunch launch = LaunchOfRows("ResizeNearest", rows, y.shape()[2] * units);
    Launch("ResizeNearest", stream, launch.grid, launch.block, NearestKernel<Unit>, static_cast<const Unit*>(x.raw()),
           rows, x.shape()[1], x.shape()[2], exact ? 1 : 0, y.shape()[1], y.shape()[2], units,
           static_cast<Unit*>(y.raw()));
  });
}

}  // namespace autograd::cuda
