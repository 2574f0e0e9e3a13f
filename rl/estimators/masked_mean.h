#pragma once

// Means over the positions that count, on one rank or over the batch of all ranks. Void positions contribute nothing,
// whatever stands there, NaN included.

#include "autograd/collective/collective.h"
#include "autograd/core/tape.h"

namespace rl {

// The number of positions where valid uint8 is not 0, or of all positions of a map of `shape` without `valid` (an
// undefined Array): float64 [1], on the current stream's device. With a collective of R ranks it is the number over all
// of them divided by R: what is divided by it, and then averaged over the ranks (as gradients are), is averaged over
// all positions of all ranks, however unequally they are spread. What CategoricalSurrogateInputs::positions and, times
// the samples, its `count` want. Only several ranks make it wait for the device. `valid`, if defined, has `shape`.
autograd::Array ValidPerRank(const autograd::Array& valid, const autograd::Shape& shape,
                             autograd::Collective* collective);

// Σ x·valid/(n·count): x [n, b, ..] or [b, ..] (n = 1), floating; valid uint8 [b, ..] or undefined; count float64 [1]
// as above -> [], float32 (float64 for float64 x). 0, never NaN, where count is 0. Sums are float64, in an order that
// the shapes alone decide. Differentiable in x.
autograd::Variable MaskedMean(const autograd::Variable& x, const autograd::Array& valid, const autograd::Array& count);

// With ValidPerRank's count: the mean over this rank (nullptr), or such that the mean of all ranks' results is the mean
// over the positions of all ranks. x [b, ..]; for [n, b, ..] valid must be defined.
autograd::Variable MaskedMean(const autograd::Variable& x, const autograd::Array& valid,
                              autograd::Collective* collective = nullptr);

}  // namespace rl
