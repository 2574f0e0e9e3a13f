#pragma once

// What CiSS-Net learns from a batch (Zhou et al., "Context-reinforced semantic segmentation", CVPR 2019, equations 2 to
// 7): a rollout of T contexts, each chosen by the context net from the labels that the one before led to.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/ciss/options.h"
#include "experiments/runner/network.h"
#include "experiments/runner/supervised.h"
#include "seg/models/ciss_net.h"

namespace experiments::ciss {

// With X the features, L the labels on X's grid, all means over the pixels of all ranks that are not void, and over t =
// 0 … T − 1 (t = 0 … T for the cross-entropy, whose logits are resized to the labels; t = 0 is Base alone):
//
//   Y^t = argmax logits^t,  B^t ~ Q(X, Y^t),  K^t = (Y^t + 1)∘B^t,  logits^{t+1} = Base(X) + Bias(X, K^t)
//   loss = −log π(B^t)·A^t − λ2·H(π) + (R^t − V(Y^t))² + λ1·CE(logits^t)
//   R^t = r^t + γ·R^{t+1},  R^T = V(Y^T),  A^t = R^t − V(Y^t), a constant
//
// With a group of G > 1 contexts of each state, equation 6 is taken a step at a time with the group's mean as baseline:
// q_g = r_g + γ·V(Y_g^{t+1}), A_g = q_g − mean q, and V follows mean q. The rollout goes on from the first of them, or
// from the greedy context (CissOptions::greedy_rollout), whose labels the cross-entropy is of, too.
//
// Other rules (CissOptions::context) choose contexts without an agent, and then the cross-entropy is all there is.
class CissObjective : public OfNetwork {
 public:
  // `network` is a CiSS-Net and must outlive the objective.
  CissObjective(const CissOptions& options, Network& network);

  absl::StatusOr<StepResult> Loss(const StepView& view) override;
  // The share of random contexts is drawn on the host, anew for each step: a recording would repeat the first one.
  bool recordable() const override { return options_.random_first == 0; }
  // 1 once random contexts end (random_first).
  int64_t Phase(int64_t step, int64_t total_steps) const override;

 private:
  const CissOptions options_;
  seg::CissNet& net_;
};

}  // namespace experiments::ciss
