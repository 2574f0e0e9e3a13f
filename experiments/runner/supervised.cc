#include "experiments/runner/supervised.h"

#include <vector>

#include "autograd/ops/elementwise.h"

namespace experiments {

using autograd::Variable;

absl::StatusOr<StepResult> Supervised::Loss(const StepView& view) {
  if (absl::Status status = supervision_->Begin(view); !status.ok()) return status;
  const seg::Features features = network_.Encode(Variable(view.images), view.context);
  std::vector<Variable> auxiliary;
  if (auxiliary_weight_ > 0) auxiliary = network_.Auxiliary(features, view.context);
  const Variable logits = network_.Decode(features, view.context);
  const Variable distillation = supervision_->Distillation(features, logits);
  Variable loss = supervision_->Loss(logits);
  for (const Variable& of_head : auxiliary)
    loss = loss + autograd::Scale(supervision_->Loss(of_head), auxiliary_weight_);
  if (supervision_->share() != 1) loss = autograd::Scale(loss, supervision_->share());
  if (distillation.defined()) loss = loss + distillation;
  return StepResult{loss, [this] { return supervision_->Report(); }};
}

}  // namespace experiments
