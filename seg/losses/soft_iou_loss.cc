#include "seg/losses/soft_iou_loss.h"

#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/norm_operands.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/resize.h"
#include "autograd/ops/separable_kernels.h"
#include "autograd/ops/softmax.h"
#include "seg/losses/soft_iou_loss_kernels.h"
#include "seg/metrics/class_counts.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Stream;
using autograd::Variable;

Array Probabilities(const Array& logits, const Array& labels) {
  return autograd::Softmax(autograd::ResizeBilinear(logits, labels.shape()[1], labels.shape()[2])).array();
}

}  // namespace

Variable SoftIouLosses(const Variable& logits, const Array& labels) {
  autograd::Dims dims("SoftIouLosses");
  dims.Match(logits, "logits: b _ _ k").Match(labels, "labels: b h w").Floating(logits.array());
  dims.Is(labels, autograd::kUInt8, "labels");
  const int64_t images = dims["b"], classes = dims["k"];
  autograd::Require(classes >= 1 && classes <= kVoid, dims.operation(), classes, " classes");
  autograd::Require(labels.device() == logits.array().device(), dims.operation(), "labels are on ", labels.device(),
                    " but logits on ", logits.array().device());

  const Variable x = autograd::Cast(logits, autograd::StatisticsType(logits.dtype()));
  Array losses = Array::Empty({images}, x.dtype()), slopes = Array::Empty({images, 2, classes}, x.dtype());
  kernels::SoftIouForward(Stream::Current(), Probabilities(x.array(), labels), labels, losses, slopes);

  return autograd::Record("SoftIouLosses", losses, {x}, autograd::Saved{x.array(), labels, slopes},
                          [](const autograd::Saved& saved, const Array& dy, autograd::Wanted) {
                            // First the probabilities, then the gradient of the resized logits, in the same place.
                            Array resized = Probabilities(saved[0], saved[1]);
                            kernels::SoftIouGradient(Stream::Current(), resized, saved[1], saved[2], dy, resized);
                            if (resized.shape() == saved[0].shape()) return autograd::Gradients{resized};
                            Array dlogits = autograd::EmptyLike(saved[0]);
                            const autograd::AxisFilter bilinear{.kind = autograd::AxisFilterKind::kBilinear};
                            autograd::kernels::SeparableGradient(Stream::Current(), resized, bilinear, bilinear,
                                                                 dlogits);
                            return autograd::Gradients{dlogits};
                          });
}

Variable SoftIouLoss(const Variable& logits, const Array& labels) {
  return autograd::Mean(SoftIouLosses(logits, labels));
}

}  // namespace seg
