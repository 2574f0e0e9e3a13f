#pragma once

// Standard normal noise, N(0, 1) in every element, such as the ε of a reparameterised sample μ + σ·ε (Kingma & Welling,
// arXiv:1312.6114).
//
// Element e is a function of the key and of e alone: number e mod 4 of Philox draw e div 4, by Box & Muller's transform
// (standard_normal_functions.h). It is the same bits on the CPU, on CUDA and for every thread count.

#include "autograd/core/array.h"
#include "autograd/runtime/random.h"

namespace autograd {

// float32, float64 or bfloat16 [..]. The numbers are float32 whatever the dtype: float64 holds the same ones, bfloat16
// rounds them to nearest even. Elements are counted row-major, from sample `first_sample` on (the first axis are
// samples), so that ranks that share a batch draw what one rank with all of it would. Error: an integer dtype, or
// first_sample < 0.
Array StandardNormal(const Shape& shape, DType dtype, const RandomKey& key, int64_t first_sample = 0);

}  // namespace autograd
