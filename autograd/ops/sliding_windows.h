#pragma once

// The mean of what a network says of the windows of an image, where windows overlap: inference with sliding windows.
// Sums stay on the device where the scores were computed. Nothing here has a gradient.

#include <cstdint>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/ops/window_place.h"

namespace autograd {

// For each window w, in order, and each of its pixels (i, j), i < height, j < width:
//   sums[image, top + i, left + j, :] += scores[w, i, j, :] and coverage[image, top + i, left + j] += 1,
// where image, top and left are those of places[w].
//
// scores [windows, h, w, k], floating, with h ≥ height, w ≥ width and k ≥ 1: what lies below and to the right, such as
// the scores of padding, is left out. sums [n, H, W, k] of the scores' dtype, coverage [n, H, W] in int32. Error: a
// window that is not inside its image. A pixel's terms are added in the order of the windows, so one call with many
// windows and many calls with one give the same bits.
void AddWindows(const Array& scores, const std::vector<WindowPlace>& places, int64_t height, int64_t width, Array& sums,
                Array& coverage);

// sums[.., :] /= coverage[..], in place: sums [n, h, w, k], floating, coverage [n, h, w] in int32. A pixel without a
// window keeps its sum.
void DivideByCoverage(const Array& coverage, Array& sums);

}  // namespace autograd
