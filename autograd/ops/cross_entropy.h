#pragma once

// The cross entropy of logits against class labels, fused with the softmax:
//
//   loss = (1 / count) · Σ_i weight_i · (log Σ_k exp(logits[i, k]) − logits[i, label_i])
//
// over the pixels i that are not void. `count` is their number (torch, torchvision, semseg, Segmenter), or that of all
// pixels, void ones included (mmsegmentation's default). With class weights w (torch's `weight`) each term is
// multiplied by w[label_i], and `count` over the valid pixels is Σ_i w[label_i].

#include "autograd/core/tape.h"

namespace autograd {

enum class PixelMean { kOverValid, kOverAll };

// logits [..., k]; labels uint8 or int32 [...]; weights: undefined, or [...] in the logits' dtype or float32, constants
// that may be negative (advantages) and do not enter `count`; class_weights: undefined, or [k] in the logits' dtype or
// float32, not negative. Returns a float32 scalar (float64 for float64). Where every pixel is void, or of a class
// without weight, the loss and its gradient are zero. A label that is neither void nor in [0, k) is an Error; on CUDA,
// where nobody waits for the labels, it makes the loss and the gradients of all labelled pixels NaN. Saves logits,
// labels, weights and one number a pixel.
Variable CrossEntropy(const Variable& logits, const Array& labels, int void_label = 255, const Array& weights = {},
                      PixelMean mean = PixelMean::kOverValid, const Array& class_weights = {});

}  // namespace autograd
