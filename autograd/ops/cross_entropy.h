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

// CrossEntropy(ResizeBilinear(logits, H, W), labels, void_label, weights, mean, class_weights) to the bit: logits
// [n, h, w, k], labels uint8 or int32 [n, H, W], weights undefined or [n, H, W]. The resized logits, most of what a
// segmentation net would keep for its backward pass, are not kept but made again: saves the logits as they are, labels,
// weights and one number a pixel.
Variable ResizedCrossEntropy(const Variable& logits, const Array& labels, int void_label = 255,
                             PixelMean mean = PixelMean::kOverValid, const Array& class_weights = {},
                             const Array& weights = {});

// The cross entropy of each image by itself, for rewards; no gradient flows. logits [n·b, h, w, k] are n sets of b
// images, row i belonging to image i mod b; labels uint8 or int32 [b, H, W] → [n·b], float32 (float64 for float64).
// Element i is ResizedCrossEntropy of row i and its image alone, to the bit: the mean over the image's valid pixels, 0
// where there are none. A label out of range is an Error, on CUDA a NaN for its image. Images are resized a few at a
// time.
Array ImageCrossEntropy(const Array& logits, const Array& labels, int void_label = 255);

}  // namespace autograd
