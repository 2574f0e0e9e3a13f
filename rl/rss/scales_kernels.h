#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace rl {

// cells uint8 [b, grid_height, grid_width] = 1 where at least one of the cell's pixels in valid uint8 [b, h, w] is not
// 0. Pixel (y, x) belongs to cell (⌊y·grid_height/h⌋, ⌊x·grid_width/w⌋).
KERNEL(ValidCells, void(autograd::Stream&, const autograd::Array& valid, autograd::Array& cells));

}  // namespace rl
