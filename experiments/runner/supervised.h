#pragma once

// Objectives of one network, and learning from labels, which every paper needs beside its own.

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "autograd/core/array.h"
#include "experiments/runner/network.h"
#include "experiments/runner/objective.h"
#include "experiments/runner/supervision.h"

namespace experiments {

// `network` must outlive the objective.
class OfNetwork : public Objective {
 public:
  explicit OfNetwork(Network& network) : network_(network) {}
  nn::ModuleReference module() override { return network_.module(); }

 protected:
  Network& network_;
};

// What `supervision` says of the network's logits, plus auxiliary_weight times the same of each of its auxiliary heads,
// plus what it distils.
class Supervised : public OfNetwork {
 public:
  Supervised(Network& network, double auxiliary_weight, std::unique_ptr<Supervision> supervision)
      : OfNetwork(network), auxiliary_weight_(auxiliary_weight), supervision_(std::move(supervision)) {}
  // By the batch's labels.
  Supervised(Network& network, double auxiliary_weight, const autograd::Array& class_weights = {})
      : Supervised(network, auxiliary_weight, std::make_unique<LabelSupervision>(class_weights)) {}

  absl::StatusOr<StepResult> Loss(const StepView& view) override;
  void Fields(nn::FieldVisitor& visitor) override { supervision_->Fields(visitor); }
  bool recordable() const override { return supervision_->recordable(); }

 private:
  const double auxiliary_weight_;
  const std::unique_ptr<Supervision> supervision_;
};

}  // namespace experiments
