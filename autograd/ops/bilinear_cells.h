#pragma once

// One axis of a bilinear enlargement cut into cells: an output lies in the cell of input r when it reads r, and r + 1
// behind it, so each output is in one cell and the outputs of a cell are neighbours (separable_filter.h: kBilinear).

#include "autograd/ops/separable_filter.h"

namespace autograd {

struct BilinearPlace {
  int64_t cell;     // of `in`
  double fraction;  // the weight of input cell + 1; 0 in the last cell, which has none
};

HOST_DEVICE inline BilinearPlace BilinearPlaceOf(int64_t in, int64_t out, int64_t i) {
  const AxisFilter filter{.kind = AxisFilterKind::kBilinear};
  const AxisWindow window = WindowOf(filter, in, out, i);
  double weights[2] = {1, 0};
  WeightsOf(filter, in, out, i, window, weights);
  return {window.first, window.count == 2 ? weights[1] : 0.0};
}

// The first output of cell `cell` or a later one; `out` if there is none.
HOST_DEVICE inline int64_t FirstOutputOfCell(int64_t in, int64_t out, int64_t cell) {
  if (cell <= 0) return 0;
  // The output whose centre is at input `cell`, less one that makes up for the rounding of positions.
  const double centre = (static_cast<double>(cell) + 0.5) * static_cast<double>(out) / static_cast<double>(in) - 0.5;
  int64_t i = static_cast<int64_t>(centre) - 1;
  if (i < 0) i = 0;
  while (i < out && BilinearPlaceOf(in, out, i).cell < cell) ++i;
  return i < out ? i : out;
}

}  // namespace autograd
