#include "seg/losses/segmentation_loss.h"

#include "autograd/core/dims.h"
#include "autograd/ops/resized_cross_entropy.h"

namespace seg {

autograd::Variable SegmentationLoss(const autograd::Variable& logits, const autograd::Array& labels,
                                    const SegmentationLossOptions& options) {
  autograd::Dims dims("SegmentationLoss");
  dims.Match(logits, "logits: n _ _ k").Match(labels, "labels: n h w");
  return autograd::ResizedCrossEntropy(logits, labels, options.void_label, options.mean, options.class_weights);
}

}  // namespace seg
