#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/random.h"

namespace autograd {

// y uint8 [n, b, h, w] = draws where re-sampled, draws[0] elsewhere. Each cell with probability `rate` …
KERNEL_CPU_ONLY(ResampleCells,
                void(Stream&, const Array& draws, double rate, const RandomKey& key, int64_t first_image, Array& y));
// … or one rectangle of block_height × block_width cells a map, at a place drawn uniformly.
KERNEL_CPU_ONLY(ResampleBlock, void(Stream&, const Array& draws, int64_t block_height, int64_t block_width,
                                    const RandomKey& key, int64_t first_image, Array& y));

}  // namespace autograd
