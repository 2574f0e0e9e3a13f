#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "seg/continual/entropy_bins.h"

namespace seg {

// logits [n, h, w, k] → entropy float32, prediction uint8 [n, h, w]. `scale` multiplies the sum over the classes.
KERNEL(PixelEntropy, void(autograd::Stream&, const autograd::Array& logits, EntropyReading reading, double scale,
                          autograd::Array& entropy, autograd::Array& prediction));

// counts int64 [k, bins] += the pixels with label 0, by prediction and bin.
KERNEL(CountEntropies, void(autograd::Stream&, const autograd::Array& labels, const autograd::Array& entropy,
                            const autograd::Array& prediction, EntropyReading reading, autograd::Array& counts));

// thresholds float32 [k] → pseudo_labels uint8 [n, h, w], factor float32 [n].
KERNEL(PseudoLabel, void(autograd::Stream&, const autograd::Array& labels, const autograd::Array& entropy,
                         const autograd::Array& prediction, const autograd::Array& thresholds,
                         autograd::Array& pseudo_labels, autograd::Array& factor));

}  // namespace seg
