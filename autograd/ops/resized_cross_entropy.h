#pragma once

// The cross entropy of logits that are enlarged to their labels, without the enlarged logits: most of the memory of a
// segmentation network's loss, K times that of its labels. Each pixel's logits live while they are looked at, and what
// they add to the gradient of the small ones is known at once, but for the mean's factor.

#include "autograd/ops/cross_entropy.h"

namespace autograd {

// CrossEntropy(ResizeBilinear(logits, H, W), labels, void_label, weights, mean, class_weights), computed in float32
// throughout (float64 for float64): logits [n, h, w, k], labels uint8 or int32 [n, H, W], weights undefined or
// [n, H, W], class_weights undefined or [k]. Returns a float32 scalar (float64 for float64). On CUDA a label out of
// range makes the whole gradient NaN. Saves the gradient of the logits, in float32 (float64). Logits of the labels'
// size go to CrossEntropy.
Variable ResizedCrossEntropy(const Variable& logits, const Array& labels, int void_label = 255,
                             PixelMean mean = PixelMean::kOverValid, const Array& class_weights = {},
                             const Array& weights = {});

// The cross entropy of each image by itself, for rewards; no gradient flows. logits [n·b, h, w, k] are n sets of b
// images, row i belonging to image i mod b; labels uint8 or int32 [b, H, W] → [n·b], float32 (float64 for float64).
// Element i is ResizedCrossEntropy of row i and its image alone, to the bit: the mean over the image's valid pixels, 0
// where there are none. A label out of range is an Error, on CUDA a NaN for its image.
Array ImageCrossEntropy(const Array& logits, const Array& labels, int void_label = 255);

}  // namespace autograd
