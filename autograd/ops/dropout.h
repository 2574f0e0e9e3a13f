#pragma once

// Dropout (Srivastava et al., JMLR 2014) in its three grains. What is kept is divided by 1 − rate, so the expectation
// stays; where `training` is false or the rate is zero the result is x itself. The mask is a function of the key: the
// backward pass draws it again and nothing is saved. Unit j of the mask is kept when word j mod 4 of Philox draw j div
// 4 is at least `rate`. Units are counted from sample `first_sample` on (the first axis are samples): ranks that share
// a batch drop what one rank with all of it would.

#include "autograd/core/tape.h"
#include "autograd/runtime/random.h"

namespace autograd {

// Each element by itself. 0 ≤ rate < 1, here and below.
Variable Dropout(const Variable& x, double rate, bool training, RandomKey key, int64_t first_sample = 0);

// Whole channels of an image (Tompson et al., CVPR 2015, "SpatialDropout"): x [n, …, c], one unit for each n and c.
Variable Dropout2d(const Variable& x, double rate, bool training, RandomKey key, int64_t first_sample = 0);

// Whole samples (Huang et al., "Deep networks with stochastic depth", ECCV 2016): x [n, …], one unit for each n. For
// the branch of a residual block.
Variable DropPath(const Variable& x, double rate, bool training, RandomKey key, int64_t first_sample = 0);

// x + DropPath(branch) for x and branch [n, …] alike, rounded once: the end of a residual block. x + branch where
// `training` is false or the rate is zero.
Variable ResidualDropPath(const Variable& x, const Variable& branch, double rate, bool training, RandomKey key,
                          int64_t first_sample = 0);

}  // namespace autograd
