#pragma once

// What a network with a latent policy learns from a batch ("Latent-space reinforcement learning for semantic
// segmentation", equations 3 to 6 and 10 to 19).

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/latent/options.h"
#include "experiments/latent/probe.h"
#include "experiments/latent/rewards.h"
#include "experiments/runner/curves.h"
#include "experiments/runner/network.h"
#include "experiments/runner/supervised.h"
#include "experiments/runner/supervision.h"
#include "nn/optimizers/moving_average.h"
#include "rl/estimators/baseline.h"
#include "rl/policies/diagonal_gaussian.h"

namespace experiments::latent {

// With z the latent features, π = N(μ(z), σ(z)²), π_old that of the moving average of the policy's parameters (η), and
// N draws s = μ + σ·ε of each image:
//
//   L_seg = mean CE(Decode(z, s))         differentiated through s, too (unless `pathwise` is off)
//   A     = clamp(r(Decode(z, s)) − b)    a constant; b ← τ·b + (1 − τ)·r̄, or another baseline
//   L_P   = −mean min(ρ·A, clip(ρ)·A),    ρ = π(s)/π_old(s) at the constant s
//   L_KL  = mean KL(π_old ‖ π)            in closed form
//   loss  = λ_seg·L_seg + λ_P·L_P + λ_KL·β·L_KL + auxiliary heads' cross-entropy + the soft IoU's
//
// The policy reads z as a constant (unless `stop_latent` is off). With Baseline::kMode the image is decoded at s = μ as
// well: its reward is the baseline, and its cross-entropy counts as one more draw's.
//
// Two gradients of one draw never mix: π(s) is taken at the numbers of s, through which nothing flows (equation 12 with
// s attached would lose the gradient of μ; rl/policies/diagonal_gaussian.h).
class LatentObjective : public OfNetwork {
 public:
  // `network` has a latent policy and must outlive the objective. π_old begins as the network's present policy. CE is
  // what `supervision` says of logits, and rewards are measured against its labels; what it distils is compared with
  // the pass of the first draw.
  LatentObjective(const LatentOptions& options, Network& network,
                  std::unique_ptr<Supervision> supervision = std::make_unique<LabelSupervision>());

  absl::StatusOr<StepResult> Loss(const StepView& view) override;
  // π_old follows the policy, and b the rewards.
  void Updated(const autograd::Array& sound) override;
  // The supervision's, reference (the averages), baseline, probe.{last, sums}, deviations
  void Fields(nn::FieldVisitor& visitor) override;
  // A probe reads numbers back in the middle of a step.
  bool recordable() const override { return options_.probe_every == 0 && supervision_->recordable(); }

  // The mean over a step's images of each channel's σ, at kMoments moments spread over the run: float32 [kMoments, d];
  // rows that the run has not come to are 0.
  static constexpr int64_t kMoments = 64;
  const autograd::Array& deviations() const { return deviations_; }
  // Means of what the run's probes measured: "within", "cosine L_P", "cosine CE"; nothing without a probe.
  std::vector<Score> ProbeMeans() const;

 private:
  // The signals that an image is decoded with, and which of them are draws of the policy.
  struct Signals {
    std::vector<autograd::Variable> decoded;
    std::vector<autograd::Array> drawn;  // the last of `decoded`, as constants
  };
  Signals Draw(const rl::DiagonalGaussian& policy, const autograd::Variable& z, const StepView& view) const;
  // b for rewards [n, b] of the draws; `at_mode` [b] with Baseline::kMode.
  autograd::Array BaselineOf(const autograd::Array& rewards, const autograd::Array& at_mode,
                             const StepView& view) const;

  const LatentOptions options_;
  const std::unique_ptr<Supervision> supervision_;
  seg::LatentHead& head_;
  std::optional<nn::MovingAverage> reference_;  // of the policy
  seg::LatentPolicy reference_policy_;          // with the averages as parameters
  rl::MovingAverageBaseline baseline_;
  LatentProbe probe_;
  autograd::Array probed_;      // float64 [6], on the host: the numbers of the last probe
  autograd::Array probe_sums_;  // float64 [7], there: sums of the same, and how many probes there were
  autograd::Array deviations_;  // float32 [kMoments, d], on the host

  // Of the step that is under way.
  autograd::Array rewards_;  // [n, b]
  autograd::Collective* collective_ = nullptr;
};

}  // namespace experiments::latent
