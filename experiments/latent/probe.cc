#include "experiments/latent/probe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "autograd/core/tape.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "experiments/latent/rewards.h"
#include "nn/twins.h"
#include "rl/objectives/policy_gradient.h"
#include "rl/policies/diagonal_gaussian.h"
#include "seg/losses/segmentation_loss.h"

namespace experiments::latent {
namespace {

using autograd::Array;
using autograd::Tape;
using autograd::Variable;

// While it lives, no parameter of the module gets a gradient.
class Frozen {
 public:
  explicit Frozen(const nn::ModuleReference& module) : parameters_(nn::NamedParameters(module)) {
    for (const nn::NamedParameter& named : parameters_) {
      trainable_.push_back(named.parameter->trainable());
      named.parameter->set_trainable(false);
    }
  }
  ~Frozen() {
    for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].parameter->set_trainable(trainable_[i]);
  }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  std::vector<nn::NamedParameter> parameters_;
  std::vector<bool> trainable_;
};

// A gradient of (μ, log σ).
struct OfDistribution {
  Array mean, log_deviation;
};

// The gradient of `loss`, a function of the distribution as leaves of a tape of its own.
template <typename Loss>
OfDistribution GradientOf(const seg::LatentDistribution& at, const Loss& loss) {
  Tape tape;
  const seg::LatentDistribution leaves{tape.Watch(at.mean.array()), tape.Watch(at.log_deviation.array())};
  tape.Backward(loss(leaves));
  const auto or_zero = [&](const Variable& leaf) {
    const Array gradient = tape.Gradient(leaf);
    return gradient.defined() ? gradient : Array::Zeros(leaf.shape(), leaf.dtype());
  };
  return {or_zero(leaves.mean), or_zero(leaves.log_deviation)};
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
double Norm(const std::vector<double>& a) { return std::sqrt(Dot(a, a)); }
double Cosine(const std::vector<double>& a, const std::vector<double>& b) {
  const double norms = Norm(a) * Norm(b);
  return norms > 0 ? Dot(a, b) / norms : 0;
}

// The share within images of the variance of two rewards each: within = mean of (r₁ − r₂)²/2, an unbiased estimate;
// between = variance of the images' means less within/2, what draws add to it.
double WithinShare(const std::vector<float>& first, const std::vector<float>& second) {
  double within = 0, mean = 0, squares = 0;
  const auto n = static_cast<double>(first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    const double difference = first[i] - second[i], middle = (first[i] + second[i]) / 2.0;
    within += difference * difference / 2 / n;
    mean += middle / n;
    squares += middle * middle / n;
  }
  const double between = n > 1 ? std::max((squares - mean * mean) * n / (n - 1) - within / 2, 0.0) : 0;
  return within + between > 0 ? within / (within + between) : 0;
}

}  // namespace

LatentProbe::LatentProbe(const LatentOptions& options, Network& network)
    : options_(options),
      network_(network),
      head_(*network.latent()),
      twin_(head_.channels, head_.config.policy, autograd::RandomKey(0)) {}

std::vector<double> LatentProbe::AtParameters(const Array& mean, const Array& log_deviation, const Batch& batch) {
  nn::CopyState(head_.policy, twin_);
  nn::ClearGradients(twin_);
  {
    Tape tape;
    const seg::LatentDistribution distribution =
        twin_(Variable(batch.features[head_.tap].array()), batch.policy_context);
    tape.Backward(autograd::Concatenate({distribution.mean, distribution.log_deviation}, -1),
                  autograd::Concatenate({Variable(mean), Variable(log_deviation)}, -1).array());
  }
  std::vector<double> all;
  for (const nn::NamedParameter& named : nn::NamedParameters(twin_)) {
    if (!named.parameter->has_gradient()) continue;
    for (const float g : named.parameter->gradient().ToVector<float>()) all.push_back(g);
  }
  return all;
}

ProbeNumbers LatentProbe::Measure(const Batch& batch) {
  const Frozen frozen(network_.module());
  seg::Features features;
  for (const Variable& tap : batch.features) features.emplace_back(tap.defined() ? Variable(tap.array()) : Variable());
  const std::vector<int64_t> positions = head_.DrawPositions(features[head_.tap]);
  const auto policy_of = [&](const seg::LatentDistribution& d) {
    return rl::DiagonalGaussian(d.mean, d.log_deviation, positions);
  };
  const nn::Context evaluation;

  std::array<Array, 2> draws, rewards;
  std::array<OfDistribution, 2> of_segmentation, of_policy;
  for (size_t i = 0; i < 2; ++i) {
    of_segmentation[i] = GradientOf(batch.policy, [&](const seg::LatentDistribution& leaves) {
      const Variable s = policy_of(leaves).ReparameterizedSample(batch.key.Split(i));
      const Variable logits = network_.Decode(head_.Modulated(features, s, evaluation), evaluation);
      draws[i] = s.array();
      rewards[i] = ScoreImages(logits.array(), batch.labels, options_.reward, options_.boundary_tolerance).total;
      return seg::SegmentationLoss(logits, batch.labels);
    });
  }
  const bool of_the_image = options_.baseline == rl::Baseline::kLeaveOneOut || options_.baseline == rl::Baseline::kMode;
  const int64_t images = batch.labels.shape()[0];
  for (size_t i = 0; i < 2; ++i) {
    const Array row = rewards[i].Reshape({1, images});
    const Array baseline = of_the_image ? rewards[1 - i].Reshape({1, images}) : batch.baseline;
    const Array advantage =
        rl::AdvantagesOver(row, baseline, options_.advantage_low, options_.advantage_high).Reshape({images});
    of_policy[i] = GradientOf(batch.policy, [&](const seg::LatentDistribution& leaves) {
      return autograd::Mean(
          rl::PolicyGradient(policy_of(leaves).LogProbability(draws[i], options_.reduction), advantage));
    });
  }
  const OfDistribution of_divergence = GradientOf(batch.policy, [&](const seg::LatentDistribution& leaves) {
    return autograd::Mean(policy_of(batch.reference).Divergence(policy_of(leaves), options_.reduction));
  });

  const auto at_parameters = [&](const OfDistribution& gradient) {
    return AtParameters(gradient.mean, gradient.log_deviation, batch);
  };
  ProbeNumbers numbers;
  numbers.within = WithinShare(rewards[0].ToVector<float>(), rewards[1].ToVector<float>());
  const std::vector<double> segmentation = at_parameters(of_segmentation[0]), policy = at_parameters(of_policy[0]);
  numbers.cosine_segmentation = Cosine(segmentation, at_parameters(of_segmentation[1]));
  numbers.cosine_policy = Cosine(policy, at_parameters(of_policy[1]));
  numbers.norm_segmentation = options_.segmentation_weight * Norm(segmentation);
  numbers.norm_policy = options_.policy_weight * Norm(policy);
  numbers.norm_divergence = options_.divergence_weight * options_.beta * Norm(at_parameters(of_divergence));
  return numbers;
}

}  // namespace experiments::latent
