#pragma once

// The rewards of a segmented image ("Latent-space reinforcement learning for semantic segmentation", equation 15),
// where logits and labels lie: nothing passes the host.

#include "autograd/core/array.h"
#include "experiments/latent/options.h"

namespace experiments::latent {

// Of each image: float32 [b]. A prediction is the argmax of logits that are resized to the labels' size; what is void
// counts nowhere.
struct ImageRewards {
  autograd::Array iou, dice;      // means over the classes of the image's label
  autograd::Array cross_entropy;  // exp(−the mean cross-entropy of its pixels): the "inverse of cross-entropy loss"
  autograd::Array boundary;       // F of class boundaries within a tolerance (seg/rewards/boundary_f.h)
  autograd::Array total;          // weighted sum
};

// logits float [b, h, w, k], labels uint8 [b, H, W]. Parts of weight 0 are computed all the same: they are logged.
// `tolerance`: share of the diagonal of the labels.
ImageRewards ScoreImages(const autograd::Array& logits, const autograd::Array& labels, const RewardWeights& weights,
                         double tolerance);

}  // namespace experiments::latent
