#pragma once

// What the labels of a batch teach a network, whatever else an objective adds to it: the loss of logits against labels.
// Supervised learning and the latent policy take any of these, so that what changes the labels or their loss (continual
// learning: experiments/continual) is written once for both.

#include "absl/status/status.h"
#include "autograd/core/array.h"
#include "autograd/core/variable.h"
#include "experiments/runner/curves.h"
#include "experiments/runner/objective.h"
#include "nn/module.h"
#include "seg/models/model.h"

namespace experiments {

class Supervision {
 public:
  virtual ~Supervision() = default;

  // A new batch: everything below is of it until the next. All ranks call it together.
  virtual absl::Status Begin(const StepView& view) = 0;
  // uint8 [N, H, W]: what Loss compares logits with, and what rewards are measured against.
  virtual const autograd::Array& labels() const = 0;
  // logits [N, h, w, K] → a float32 scalar of this rank's images.
  virtual autograd::Variable Loss(const autograd::Variable& logits) = 0;
  // What Loss counts for in the mean over the ranks' losses, so that they are those of the whole batch.
  virtual double share() const = 0;
  // What is learnt from a pass beside its labels, such as the distance to an older network's features: a float32
  // scalar, or undefined where that is nothing. Called right after the pass that gave `features` (as Encode returns
  // them) and `logits`.
  virtual autograd::Variable Distillation([[maybe_unused]] const seg::Features& features,
                                          [[maybe_unused]] const autograd::Variable& logits) {
    return {};
  }
  // Of the last batch, for the log; called once the step is done.
  virtual NamedValues Report() const { return {}; }
  // State that is saved and resumed with the objective's, bit for bit.
  virtual void Fields(nn::FieldVisitor&) {}
  // As Objective::recordable.
  virtual bool recordable() const { return false; }
};

// Cross-entropy of logits resized to the batch's labels: the mean over the pixels that are not void. With
// class_weights, float32 [K] (seg/losses/class_weights.h), each pixel counts as its class weighs; the weighted mean is
// then each rank's own.
class LabelSupervision : public Supervision {
 public:
  explicit LabelSupervision(const autograd::Array& class_weights = {}) : class_weights_(class_weights) {}

  absl::Status Begin(const StepView& view) override;
  const autograd::Array& labels() const override { return labels_; }
  autograd::Variable Loss(const autograd::Variable& logits) override;
  double share() const override { return share_; }
  bool recordable() const override { return true; }

 private:
  const autograd::Array class_weights_;
  autograd::Array labels_;
  double share_ = 1;
};

// What a mean over this rank's labelled pixels counts for in the mean over those of all ranks: its share of them times
// the number of ranks, as gradients are averaged over ranks. 1 where there is one rank. All ranks call it together.
double LabelledShare(const StepView& view);

}  // namespace experiments
