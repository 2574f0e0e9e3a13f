#include "autograd/ops/concatenate_kernels.h"
#include "autograd/ops/rows_cuda.h"

namespace autograd::cuda {
namespace {

// Lengths and places in units.
template <typename Unit>
__global__ void CopyBoxKernel(const Unit* x, BoxCopy box, Unit* y) {
  ForEachInRows(box.outer * box.rows, static_cast<uint32_t>(box.bytes), [&](int64_t run, uint32_t element) {
    const int64_t o = Divide(run, box.rows), r = run - o * box.rows;
    y[o * box.to_outer + r * box.to_row + element] = x[o * box.from_outer + r * box.from_row + element];
  });
}

}  // namespace

void CopyBox(Stream& stream, const Array& x, const BoxCopy& box, Array& y) {
  if (box.bytes == 0 || box.rows == 0 || box.outer == 0) return;
  const char* const in = static_cast<const char*>(x.raw()) + box.from_offset;
  char* const out = static_cast<char*>(y.raw()) + box.to_offset;
  const uint64_t bits = AddressBits(in) | AddressBits(out) |
                        static_cast<uint64_t>(box.bytes | box.from_outer | box.from_row | box.to_outer | box.to_row);
  VisitCopyUnit(bits, [&]<typename Unit>(Unit) {
    BoxCopy in_units = box;
    for (int64_t BoxCopy::*length :
         {&BoxCopy::bytes, &BoxCopy::from_outer, &BoxCopy::from_row, &BoxCopy::to_outer, &BoxCopy::to_row}) {
      in_units.*length /= static_cast<int64_t>(sizeof(Unit));
    }
    const RowLaunch launch = LaunchOfRows("CopyBox", box.outer * box.rows, in_units.bytes);
    Launch("CopyBox", stream, launch.grid, launch.block, CopyBoxKernel<Unit>, reinterpret_cast<const Unit*>(in),
           in_units, reinterpret_cast<Unit*>(out));
  });
}

}  // namespace autograd::cuda
