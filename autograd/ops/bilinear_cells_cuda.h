#pragma once

// Cells of a bilinear enlargement (bilinear_cells.h) on the device, and the values of a pixel between four inputs.

#include <algorithm>

#include "autograd/core/array.h"
#include "autograd/core/launch_cuda.h"
#include "autograd/ops/bilinear_cells.h"

namespace autograd::cuda {

// One axis (bilinear_cells.h). The outputs of cell r are [first_output[r], first_output[r + 1]).
template <typename Value>
struct CellAxis {
  int in = 0, out = 0;
  Value* fraction = nullptr;
  int *cell = nullptr, *first_output = nullptr;
};

template <typename Value>
__global__ void CellsKernel(CellAxis<Value> rows, CellAxis<Value> columns) {
  const CellAxis<Value> axis = blockIdx.y == 0 ? rows : columns;
  for (int64_t i = GridIndex(); i < axis.out; i += GridStride()) {
    const BilinearPlace place = BilinearPlaceOf(axis.in, axis.out, i);
    axis.cell[i] = static_cast<int>(place.cell);
    axis.fraction[i] = static_cast<Value>(place.fraction);
  }
  for (int64_t r = GridIndex(); r <= axis.in; r += GridStride()) {
    axis.first_output[r] = static_cast<int>(FirstOutputOfCell(axis.in, axis.out, r));
  }
}

// The axes of a call, with the arrays that they point to.
template <typename Value>
struct Cells {
  Array fractions, places;
  CellAxis<Value> rows, columns;

  Cells(const char* operation, Stream& stream, int64_t height, int64_t width, int64_t out_height, int64_t out_width)
      : fractions(Array::Empty({out_height + out_width}, DTypeOf<Value>::value)),
        places(Array::Empty({out_height + out_width + height + width + 2}, kInt32)) {
    Value* const fraction = fractions.data<Value>();
    int* const cell = places.data<int32_t>();
    int* const first_output = cell + out_height + out_width;
    rows = {static_cast<int>(height), static_cast<int>(out_height), fraction, cell, first_output};
    columns = {static_cast<int>(width), static_cast<int>(out_width), fraction + out_height, cell + out_height,
               first_output + height + 1};
    const int64_t longest = std::max({height, width, out_height, out_width}) + 1;
    Launch(operation, stream, dim3(Blocks(longest, kWarp), 2), kWarp, CellsKernel<Value>, rows, columns);
  }
};

// The four small logits of a pixel, class by class. Past the edge the second of two is the first.
template <typename T, typename Value = ComputeType<T>>
class PixelLogits {
 public:
  __device__ PixelLogits(const T* image, const CellAxis<Value>& rows, const CellAxis<Value>& columns, int64_t classes,
                         int i, int j)
      : down_(rows.fraction[i]), across_(columns.fraction[j]) {
    above_ = image + (int64_t{rows.cell[i]} * columns.in + columns.cell[j]) * classes;
    below_ = above_ + (down_ != Value(0) ? columns.in * classes : 0);
    right_ = across_ != Value(0) ? classes : 0;
  }
  __device__ Value operator[](int64_t k) const {
    const Value left = (Value(1) - down_) * Load(above_ + k) + down_ * Load(below_ + k);
    const Value right = (Value(1) - down_) * Load(above_ + right_ + k) + down_ * Load(below_ + right_ + k);
    return (Value(1) - across_) * left + across_ * right;
  }

 private:
  Value down_, across_;
  const T *above_, *below_;
  int64_t right_;
};

}  // namespace autograd::cuda
