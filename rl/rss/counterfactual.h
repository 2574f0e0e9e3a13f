#pragma once

// Counterfactual groups (beyond the paper): in place of n independent maps, one base map and n − 1 variants that differ
// from it in few cells only, so that a difference in reward is caused by few cells.

#include <cstdint>

#include "autograd/core/array.h"
#include "autograd/runtime/random.h"

namespace rl {

enum class Variation {
  kIndependent,  // no base map: n independent maps
  kCells,        // each cell is re-sampled with probability `rate`
  kBlock,        // one rectangle is re-sampled, √rate of the grid along each side
};

struct CounterfactualOptions {
  Variation variation = Variation::kIndependent;
  double rate = 0.15;  // the share of cells that a variant re-samples
};

// draws uint8 [n, b, h, w], independent -> the same: map 0 of an image is the base, map i > 0 shows draws[i] in its
// re-sampled cells and the base elsewhere. Every cell keeps its distribution. The choice for image i of the batch
// depends on key, map and first_image + i only.
autograd::Array CounterfactualGroup(const autograd::Array& draws, const CounterfactualOptions& options,
                                    const autograd::RandomKey& key, int64_t first_image = 0);

}  // namespace rl
