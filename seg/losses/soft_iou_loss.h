#pragma once

// One minus a differentiable intersection over union, for one image and the classes that occur in it (Rahman and Wang,
// "Optimizing intersection-over-union in deep neural networks for image segmentation", ISVC 2016, equations 3 to 5, for
// several classes):
//
//   loss = mean over classes k with Σ y_k > 0 of 1 − I_k / U_k,   I_k = Σ p_k·y_k,   U_k = Σ p_k + Σ y_k − I_k.
//
// The sums run over the pixels that are not void; p is the softmax of the logits, y is 1 where the label is k.

#include "autograd/core/tape.h"

namespace seg {

// logits [b, h, w, k] are resized to the labels' size (bilinear, align_corners = false); labels uint8 [b, H, W], below
// k ≤ 255 or 255, which is void; another value is an Error on the CPU and void elsewhere. Returns [b], float32 (float64
// for float64); 0 for an image without a labelled pixel. Saves the logits, two numbers for each class of an image, and
// the labels; probabilities are made again for the gradient.
autograd::Variable SoftIouLosses(const autograd::Variable& logits, const autograd::Array& labels);

// Their mean over the images: a scalar.
autograd::Variable SoftIouLoss(const autograd::Variable& logits, const autograd::Array& labels);

}  // namespace seg
