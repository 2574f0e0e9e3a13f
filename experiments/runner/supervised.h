#pragma once

// Objectives of one network, and learning from labels, which every paper needs beside its own.

#include "absl/status/statusor.h"
#include "experiments/runner/network.h"
#include "experiments/runner/objective.h"

namespace experiments {

// `network` must outlive the objective.
class OfNetwork : public Objective {
 public:
  explicit OfNetwork(Network& network) : network_(network) {}
  nn::ModuleReference module() override { return network_.module(); }

 protected:
  Network& network_;
};

// What a mean over this rank's labelled pixels counts for in the mean over those of all ranks: its share of them times
// the number of ranks, as gradients are averaged over ranks. 1 where there is one rank. All ranks call it together.
double LabelledShare(const StepView& view);

// Cross-entropy of logits resized to the labels, plus auxiliary_weight times that of each of the network's auxiliary
// heads: the mean over the pixels of all ranks that are not void. With class_weights, float32 [K]
// (seg/losses/class_weights.h), each pixel counts as its class weighs; the weighted mean is then each rank's own.
class Supervised : public OfNetwork {
 public:
  Supervised(Network& network, double auxiliary_weight, const autograd::Array& class_weights = {})
      : OfNetwork(network), auxiliary_weight_(auxiliary_weight), class_weights_(class_weights) {}
  absl::StatusOr<StepResult> Loss(const StepView& view) override;
  bool recordable() const override { return true; }

 private:
  const double auxiliary_weight_;
  const autograd::Array class_weights_;
};

}  // namespace experiments
