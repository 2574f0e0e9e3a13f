#pragma once

// Count, sum and sum of squares over the global batch: what synchronised normalisation of advantages needs.

#include "autograd/collective/collective.h"
#include "autograd/core/array.h"
#include "rl/estimators/standardization.h"

namespace rl {

// Which entries count.
enum class Entries { kAll, kNonZero };

// Moments of values float32 [n, b, ..] (n maps of b images) over the entries where valid uint8 [b, ..] is not 0;
// without `valid` (an undefined Array), over all. With a collective, over the values of every rank; nullptr keeps to
// this one. The result, float64 [3], lies where the values do, and nothing passes the host unless several ranks share a
// collective. Everything is summed in float64, image by image, and images are added in order, rank 0's first: R ranks
// with b images each get the same bits as one rank with R·b images. The number of images may differ between ranks; n
// and the rest not.
autograd::Array MomentsOf(const autograd::Array& values, const autograd::Array& valid, Entries entries,
                          autograd::Collective* collective);

// The count of `moments`, divided by the number of ranks that share them: float64 [1]. What is divided by it, and then
// averaged over the ranks, is averaged over all entries.
autograd::Array CountPerRank(const autograd::Array& moments, autograd::Collective* collective);

// On the host; waits for the device.
Moments ReadMoments(const autograd::Array& moments);

}  // namespace rl
