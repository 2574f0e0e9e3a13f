#pragma once

#include "autograd/core/tape.h"
#include "autograd/ops/cross_entropy.h"

namespace seg {

struct SegmentationLossOptions {
  int void_label = 255;
  autograd::PixelMean mean = autograd::PixelMean::kOverValid;
  // float32 [k], on the logits' device (class_weights.h): each pixel counts as its class weighs (torch's `weight`).
  // Undefined: all alike.
  autograd::Array class_weights = {};
};

// The supervised loss: logits [n, h, w, k] are resized to the labels' size (bilinear, align_corners = false), then the
// cross entropy with labels uint8 or int32 [n, H, W], averaged over the pixels that are not void. A float32 scalar.
autograd::Variable SegmentationLoss(const autograd::Variable& logits, const autograd::Array& labels,
                                    const SegmentationLossOptions& options = {});

}  // namespace seg
