#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

struct PoolWindow {
  int64_t kernel = 1, stride = 1, padding = 0;
};

// y = the maxima; argument (uint8, y's shape) = their offsets row·kernel + column in the window, unless it is
// undefined.
KERNEL(MaxPool2dForward, void(Stream&, const Array& x, const PoolWindow& window, Array& y, Array& argument));

// dx[n, h, w, c] = Σ dy over the windows whose maximum is here.
KERNEL(MaxPool2dGradient, void(Stream&, const Array& dy, const Array& argument, const PoolWindow& window, Array& dx));

}  // namespace autograd
