#pragma once

// Pooling of images [N, H, W, C], with PyTorch's conventions.

#include "autograd/core/tape.h"

namespace autograd {

// x [n, h, w, c] -> [n, (h + 2·padding − kernel)/stride + 1 (rounded down), … , c]. 1 ≤ kernel ≤ 16, padding
// ≤ kernel/2; padding is −∞. The gradient goes to the first of equal maxima in row-major order; a NaN wins
// over everything. Saves one byte a result.
Variable MaxPool2d(const Variable& x, int64_t kernel, int64_t stride, int64_t padding);

// The same windows, of any kernel; padding counts as zeros and the divisor is always kernel².
Variable AveragePool2d(const Variable& x, int64_t kernel, int64_t stride, int64_t padding);

// x [n, h, w, c] -> [n, height, width, c]; bin i covers [floor(i·h/height), ceil((i + 1)·h/height)): bins may
// overlap.
Variable AdaptiveAveragePool2d(const Variable& x, int64_t height, int64_t width);

// x [n, h, w, c] -> [n, 1, 1, c]
Variable GlobalAveragePool(const Variable& x);

}  // namespace autograd
