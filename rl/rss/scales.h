#pragma once

// The scales of progressive scale rewards (RSS, section 3.2.2): action maps are drawn on grids coarser than the image,
// on all at once or on more and more of them as training goes.

#include <cstdint>
#include <vector>

#include "autograd/core/tape.h"

namespace rl {

struct RewardScale {
  int64_t stride = 1;  // pixels of the image along a cell's side; 1 is the full resolution
  double weight = 1;   // of this scale's loss in the sum
  double begin = 0;    // the scale is in use while begin <= progress < end, where training goes from progress 0 to 1;
  double end = 1;      // end = 1 includes progress 1

  bool ActiveAt(double progress) const { return progress >= begin && (progress < end || end >= 1); }
};

// 1/64, 1/32, 1/16, 1/8 and 1/4, which is the logits' own grid: the default for 512 × 512.
std::vector<RewardScale> DefaultScales();

// All the time, weight 1.
std::vector<RewardScale> AllAtOnce(const std::vector<int64_t>& strides);

// Coarse first: the strides are sorted from coarse to fine, the first is in use from the start, the last joins at
// progress `last_begin`, the others at equal steps between; each stays to the end.
std::vector<RewardScale> CoarseToFine(std::vector<int64_t> strides, double last_begin = 0.5);

// Cells along a side of `size` pixels: ⌈size/stride⌉.
constexpr int64_t GridExtent(int64_t size, int64_t stride) { return (size + stride - 1) / stride; }

// Logits [b, h, w, k] on a grid [b, grid_height, grid_width, k]: averaged where the grid is coarser, bilinear
// (align_corners = false) where it is finer, themselves where it is their own.
autograd::Variable OnGrid(const autograd::Variable& logits, int64_t grid_height, int64_t grid_width);

// uint8 [b, h, w] -> [b, grid_height, grid_width]: 1 for cells that show at least one pixel whose value is not 0.
autograd::Array ValidCells(const autograd::Array& valid, int64_t grid_height, int64_t grid_width);

}  // namespace rl
