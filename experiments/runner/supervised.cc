#include "experiments/runner/supervised.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/runtime/allocator.h"
#include "seg/losses/segmentation_loss.h"

namespace experiments {

using autograd::Variable;

absl::StatusOr<StepResult> Supervised::Loss(const StepView& view) {
  const seg::Features features = network_.Encode(Variable(view.images), view.context);
  const Variable auxiliary = auxiliary_weight_ > 0 ? network_.Auxiliary(features, view.context) : Variable();
  Variable loss = seg::SegmentationLoss(network_.Decode(features, view.context), view.labels);
  if (auxiliary.defined())
    loss = loss + autograd::Scale(seg::SegmentationLoss(auxiliary, view.labels), auxiliary_weight_);
  const int ranks = view.collective.world_size();
  if (ranks == 1) return StepResult{loss, nullptr};
  // The mean over the pixels of all ranks that are not void: this rank's counts by its share of them.
  const std::vector<uint8_t>& labels = view.batch.labels;
  const auto own = static_cast<double>(labels.size() - std::count(labels.begin(), labels.end(), data::kVoidLabel));
  double all[1] = {own};
  autograd::OperationScope scope("Supervised");
  view.collective.AllReduceSum(all);
  return StepResult{autograd::Scale(loss, own * ranks / std::max(all[0], 1.0)), nullptr};
}

}  // namespace experiments
