#pragma once

#include "autograd/core/array.h"

namespace rl {

// Which standard deviation a group is divided by: the papers do not say. kPopulation divides the squares by n, kSample
// by n − 1 (PyTorch's default).
enum class Deviation { kPopulation, kSample };

// GRPO (DeepSeekMath, arXiv:2402.03300, section 4.1.2): A_i = (R_i − mean R)/(σ(R) + 1e-6) over the n maps of each
// image. rewards float32 [n, b] -> [n, b]. Equal rewards give exactly 0.
autograd::Array GroupRelativeAdvantage(const autograd::Array& rewards, Deviation deviation = Deviation::kPopulation);

}  // namespace rl
