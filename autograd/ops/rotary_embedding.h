#pragma once

// Rotary position embedding (J. Su et al., "RoFormer: Enhanced transformer with rotary position embedding", 2021,
// equation 34): two neighbouring channels of a head are a point of the plane, turned by an angle that depends on the
// token and on the pair.

#include "autograd/core/tape.h"

namespace autograd {

// x [n, l, heads, d] with an even d; cosine and sine float32 [l, d / 2], the same for every image and head -> y like x:
//   y[2i]     = x[2i]·cosine[i] − x[2i + 1]·sine[i]
//   y[2i + 1] = x[2i]·sine[i] + x[2i + 1]·cosine[i]
// The tables are constants. For the gradient, which turns dy back, only they are saved. A token with cosine 1 and sine
// 0, such as a class token, passes unchanged.
Variable RotaryEmbedding(const Variable& x, const Array& cosine, const Array& sine);

}  // namespace autograd
