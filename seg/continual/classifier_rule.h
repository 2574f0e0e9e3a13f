#pragma once

// The start of a classifier that gets new classes.

#include <cstdint>

#include "autograd/core/array.h"

namespace seg {

struct ClassifierParameters {
  autograd::Array weight;  // [classes, inputs]
  autograd::Array bias;    // [classes]
};

// The initialisation of MiB (Cermelli et al., "Modeling the background for incremental learning in semantic
// segmentation", CVPR 2020), which PLOP keeps: every new class starts as a copy of the background, class 0, and
//
//   b_new = b_0 ← b_0 − log(N + 1),
//
// so that what the softmax gave to the background is split evenly among it and the N new classes, and every old class
// keeps its probability.
//
// weight [old classes, inputs], bias [old classes], as those of nn::Linear, both float32 or both float64 → the same for
// old classes + new_classes, on the current stream's device. Waits for the stream. Error: new_classes < 1, no class.
ClassifierParameters AddClasses(const autograd::Array& weight, const autograd::Array& bias, int64_t new_classes);

}  // namespace seg
