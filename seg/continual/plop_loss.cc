#include "seg/continual/plop_loss.h"

#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/norm_operands.h"
#include "autograd/ops/reduce.h"
#include "seg/metrics/class_counts.h"

namespace seg {

using autograd::Array;
using autograd::Variable;

Variable PlopLoss(const Variable& logits, const Array& labels, const Array& factor, autograd::PixelMean mean) {
  autograd::Dims dims("PlopLoss");
  dims.Match(logits, "logits: n _ _ k").Match(labels, "labels: n h w").Match(factor, "factor: n");
  dims.Is(labels, autograd::kUInt8, "labels").Is(factor, autograd::kFloat32, "factor").Floating(logits.array());
  const Array of_images =
      autograd::Cast(Variable(factor), autograd::StatisticsType(logits.dtype())).array().Reshape({-1, 1, 1});
  return autograd::ResizedCrossEntropy(logits, labels, kVoid, mean, /*class_weights=*/{},
                                       autograd::BroadcastTo(of_images, labels.shape()));
}

}  // namespace seg
