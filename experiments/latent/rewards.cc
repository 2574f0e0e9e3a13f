#include "experiments/latent/rewards.h"

#include "autograd/core/tape.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/resize.h"
#include "autograd/ops/resized_cross_entropy.h"
#include "seg/rewards/boundary_f.h"
#include "seg/rewards/label_batch.h"

namespace experiments::latent {

using autograd::Array;
using autograd::Variable;

ImageRewards ScoreImages(const Array& logits, const Array& labels, const RewardWeights& weights, double tolerance) {
  const autograd::PauseTape constant;
  const int64_t b = labels.shape()[0], height = labels.shape()[1], width = labels.shape()[2];
  const int classes = static_cast<int>(logits.shape()[3]);
  const Array maps =
      autograd::ArgMax(autograd::ResizeBilinear(Variable(logits), height, width).array(), autograd::kUInt8)
          .Reshape({1, b, height, width});
  const auto of_images = [&](const Array& scores) { return scores.Reshape({b}); };
  const seg::MapScores overlap = seg::LabelBatch(labels, classes).Scores(maps, seg::ClassSet::kTruth);
  ImageRewards rewards;
  rewards.iou = of_images(overlap.mean_iou);
  rewards.dice = of_images(overlap.mean_dice);
  rewards.cross_entropy =
      autograd::Exponential(autograd::Negative(Variable(autograd::ImageCrossEntropy(logits, labels)))).array();
  rewards.boundary = of_images(seg::BoundaryF(maps, labels, classes, {.share_of_diagonal = tolerance}));
  rewards.total =
      (weights.iou * Variable(rewards.iou) + weights.dice * Variable(rewards.dice) +
       weights.cross_entropy * Variable(rewards.cross_entropy) + weights.boundary * Variable(rewards.boundary))
          .array();
  return rewards;
}

}  // namespace experiments::latent
