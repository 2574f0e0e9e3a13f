#pragma once

#include <cstdint>
#include <span>

#include "autograd/core/array.h"
#include "autograd/ops/window_place.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// As in sliding_windows.h. There is at least one window, and every window is inside its image.
KERNEL(AddWindows, void(Stream&, const Array& scores, std::span<const WindowPlace> places, int64_t height,
                        int64_t width, Array& sums, Array& coverage));
KERNEL(DivideByCoverage, void(Stream&, const Array& coverage, Array& sums));

}  // namespace autograd
