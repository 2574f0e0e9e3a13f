#include "experiments/runner/supervision.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "autograd/runtime/allocator.h"
#include "seg/losses/segmentation_loss.h"

namespace experiments {

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

absl::Status LabelSupervision::Begin(const StepView& view) {
  labels_ = view.labels;
  share_ = LabelledShare(view);
  return absl::OkStatus();
}

autograd::Variable LabelSupervision::Loss(const autograd::Variable& logits) {
  return seg::SegmentationLoss(logits, labels_, {.class_weights = class_weights_});
}

}  // namespace experiments
