#include "experiments/runner/supervised.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/runtime/allocator.h"
#include "seg/losses/segmentation_loss.h"

namespace experiments {

using autograd::Variable;

double LabelledShare(const StepView& view) {
  const int ranks = view.collective.world_size();
  if (ranks == 1) return 1;
  const std::vector<uint8_t>& labels = view.batch.labels;
  const auto own = static_cast<double>(labels.size() - std::count(labels.begin(), labels.end(), data::kVoidLabel));
  double all[1] = {own};
  autograd::OperationScope scope("Supervised");
  view.collective.AllReduceSum(all);
  return own * ranks / std::max(all[0], 1.0);
}

absl::StatusOr<StepResult> Supervised::Loss(const StepView& view) {
  const seg::Features features = network_.Encode(Variable(view.images), view.context);
  std::vector<Variable> auxiliary;
  if (auxiliary_weight_ > 0) auxiliary = network_.Auxiliary(features, view.context);
  const seg::SegmentationLossOptions weighted{.class_weights = class_weights_};
  Variable loss = seg::SegmentationLoss(network_.Decode(features, view.context), view.labels, weighted);
  for (const Variable& logits : auxiliary)
    loss = loss + autograd::Scale(seg::SegmentationLoss(logits, view.labels, weighted), auxiliary_weight_);
  if (view.collective.world_size() > 1) loss = autograd::Scale(loss, LabelledShare(view));
  return StepResult{loss, nullptr};
}

}  // namespace experiments
