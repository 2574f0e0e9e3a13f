#pragma once

// Group normalisation (Wu & He, "Group Normalization", ECCV 2018): each image's channels are cut into `groups` groups
// of neighbours, and each group of an image is normalised by its own mean and biased variance,
//
//   y = (x − mean) / sqrt(variance + epsilon) · gamma + beta.
//
// One group is layer normalisation over the image, as many groups as channels is instance normalisation.

#include "autograd/core/tape.h"

namespace autograd {

// x [n, …, c], gamma [c], beta [c] → y like x; c divides by `groups`. x may be bfloat16 while gamma and beta are
// float32; statistics are float32 (float64 for float64). With `relu`, y = max(0, …). Saves x, gamma, beta and two
// numbers a group.
Variable GroupNorm(const Variable& x, const Variable& gamma, const Variable& beta, int64_t groups,
                   double epsilon = 1e-5, bool relu = false);

}  // namespace autograd
