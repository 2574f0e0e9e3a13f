#pragma once

// PLOP's classification loss: the cross entropy with pseudo-labels, weighted by the adaptive factor ν (Douillard et
// al., "PLOP: learning without forgetting for continual semantic segmentation", CVPR 2021).

#include "autograd/core/tape.h"
#include "autograd/ops/resized_cross_entropy.h"

namespace seg {

// logits [n, h, w, k], floating, are resized to the labels' size (bilinear, align_corners = false); labels uint8
// [n, H, W], 255 where void, such as PseudoLabels::labels; factor float32 [n], constants, such as PseudoLabels::factor:
//
//   (1 / count)·Σ_i factor_i·Σ over the valid pixels x of image i of −log softmax(logits)[x, label_x].
//
// `count` is that of all pixels of the batch, void ones included, as in the release, or that of the valid pixels. A
// scalar, float32 (float64 for float64).
autograd::Variable PlopLoss(const autograd::Variable& logits, const autograd::Array& labels,
                            const autograd::Array& factor, autograd::PixelMean mean = autograd::PixelMean::kOverAll);

}  // namespace seg
