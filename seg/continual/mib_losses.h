#pragma once

// The losses of MiB, in which the background of a step is whatever the step does not name (Cermelli et al., "Modeling
// the background for incremental learning in semantic segmentation", CVPR 2020).

#include "autograd/core/tape.h"
#include "autograd/ops/cross_entropy.h"

namespace seg {

// The unbiased cross entropy: what a step labels as background may be of any old class, so
//
//   log p(background) = log Σ_{c < C_old} e^{x_c} − log Σ_c e^{x_c},   log p(k) = x_k − log Σ_c e^{x_c} for new k.
//
// logits [n, h, w, C], floating, are resized to the labels' size (bilinear, align_corners = false); labels uint8
// [n, H, W]: those below old_classes are background, 255 is void. 1 ≤ old_classes ≤ C. The mean is over all pixels, as
// in the release, or over those that are not void. A scalar.
autograd::Variable UnbiasedCrossEntropy(const autograd::Variable& logits, const autograd::Array& labels,
                                        int64_t old_classes, autograd::PixelMean mean = autograd::PixelMean::kOverAll);

// The unbiased distillation: the old network may have called background what is now a new class,
// so, with q the old network's probabilities and p those of the new one where the probability of the background is the
// sum of its own and those of the new classes,
//
//   −(1 / C_old)·Σ_c q_c·log p_c, the mean over all pixels.
//
// logits [n, h, w, C] and old_logits [n, h', w', C_old], C ≥ C_old ≥ 1, of one dtype, are resized to height x width
// (bilinear, align_corners = false). A scalar; a gradient flows to `logits`. The paper weighs it with 10.
autograd::Variable UnbiasedDistillation(const autograd::Variable& logits, const autograd::Array& old_logits,
                                        int64_t height, int64_t width);

}  // namespace seg
