#include "experiments/latent/objective.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "autograd/core/tape.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/standard_normal.h"
#include "rl/objectives/clipped_surrogate.h"
#include "seg/losses/soft_iou_loss.h"

namespace experiments::latent {
namespace {

using autograd::Array;
using autograd::Variable;

constexpr int64_t kProbed = 6;

Array OnHost(const autograd::Shape& shape, autograd::DType dtype) {
  const autograd::StreamScope host(autograd::Stream::Cpu());
  return Array::Zeros(shape, dtype);
}

Array Stacked(const std::vector<Array>& arrays) {
  const autograd::PauseTape constant;
  return autograd::Stack(std::vector<Variable>(arrays.begin(), arrays.end()), 0).array();
}

double MeanOf(const Array& values) {
  const std::vector<float> host = values.ToVector<float>();
  double sum = 0;
  for (const float value : host) sum += value;
  return host.empty() ? 0 : sum / static_cast<double>(host.size());
}

// What a step's report reads back.
struct StepNumbersOnDevice {
  std::vector<ImageRewards> rewards;  // of each draw
  Array baseline;                     // float64 [1], float32 [n, b], or undefined
  Array log_ratio, advantages;        // undefined without a policy's loss
  Array divergence;                   // [b], likewise
  Array log_deviation;                // [b, d]; undefined where the policy is not asked
  rl::ClippedSurrogateOptions surrogate;
  std::vector<double> probed;  // empty where nothing is probed

  NamedValues Report() const;
};

NamedValues StepNumbersOnDevice::Report() const {
  const auto mean = [&](Array ImageRewards::*part) {
    double sum = 0;
    for (const ImageRewards& of_draw : rewards) sum += MeanOf(of_draw.*part);
    return sum / static_cast<double>(rewards.size());
  };
  NamedValues numbers = {{"reward", mean(&ImageRewards::total)},
                         {"iou", mean(&ImageRewards::iou)},
                         {"dice", mean(&ImageRewards::dice)},
                         {"inverse_ce", mean(&ImageRewards::cross_entropy)},
                         {"boundary_f", mean(&ImageRewards::boundary)}};
  if (!log_deviation.defined()) return numbers;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const float log_sigma : log_deviation.ToVector<float>()) {
    low = std::min(low, static_cast<double>(log_sigma));
    high = std::max(high, static_cast<double>(log_sigma));
  }
  numbers.push_back({"sigma_low", std::exp(low)});
  numbers.push_back({"sigma_high", std::exp(high)});
  if (log_ratio.defined()) {
    double b = 0;
    if (baseline.defined())
      b = baseline.dtype() == autograd::kFloat64 ? baseline.ToVector<double>()[0] : MeanOf(baseline);
    const rl::RatioReport ratios = rl::ReportRatios(log_ratio, advantages, surrogate);
    numbers.push_back({"baseline", b});
    numbers.push_back({"ratio_low", ratios.smallest});
    numbers.push_back({"ratio_high", ratios.largest});
    numbers.push_back({"clipped", ratios.clipped});
    numbers.push_back({"bounded", ratios.bounded});
    numbers.push_back({"kl", MeanOf(divergence)});
  }
  if (probed.empty()) return numbers;
  const char* const names[kProbed] = {"within", "cosine_policy", "cosine_ce", "norm_policy", "norm_ce", "norm_kl"};
  for (size_t i = 0; i < probed.size(); ++i) numbers.push_back({names[i], probed[i]});
  return numbers;
}

}  // namespace

LatentObjective::LatentObjective(const LatentOptions& options, Network& network,
                                 std::unique_ptr<Supervision> supervision)
    : OfNetwork(network),
      options_(options),
      supervision_(std::move(supervision)),
      head_(*network.latent()),
      reference_policy_(head_.channels, head_.config.policy, autograd::RandomKey(0)),
      baseline_(options.baseline_decay),
      probe_(options_, network),
      probed_(OnHost({kProbed}, autograd::kFloat64)),
      probe_sums_(OnHost({kProbed + 1}, autograd::kFloat64)),
      deviations_(OnHost({kMoments, head_.channels}, autograd::kFloat32)) {
  reference_.emplace(head_.policy, options_.reference_decay);
}

LatentObjective::Signals LatentObjective::Draw(const rl::DiagonalGaussian& policy, const Variable& z,
                                               const StepView& view) const {
  Signals signals;
  if (options_.source == Source::kZero) {
    signals.decoded.emplace_back();
    return signals;
  }
  if (options_.baseline == rl::Baseline::kMode && options_.source == Source::kPolicy) {
    const Variable mean = options_.pathwise ? policy.mean() : Variable(policy.mean().array());
    const bool over_positions = head_.config.draw == seg::LatentDraw::kPosition;
    signals.decoded.push_back(over_positions ? seg::LatentHead::AtPositions(mean, z) : mean);
  }
  for (int i = 0; i < options_.draws; ++i) {
    const autograd::RandomKey key = view.key.Split("signal").Split(static_cast<uint64_t>(i));
    if (options_.source == Source::kNoise) {
      const Array noise =
          autograd::StandardNormal(policy.action_shape(), autograd::kFloat32, key, view.context.first_sample);
      signals.decoded.push_back(autograd::Scale(Variable(noise), options_.noise_deviation));
      continue;
    }
    const Variable draw = policy.ReparameterizedSample(key, view.context.first_sample);
    signals.drawn.push_back(draw.array());
    signals.decoded.push_back(options_.pathwise ? draw : Variable(draw.array()));
  }
  return signals;
}

Array LatentObjective::BaselineOf(const Array& rewards, const Array& at_mode, const StepView& view) const {
  const autograd::PauseTape constant;
  switch (options_.baseline) {
    case rl::Baseline::kZero:
      return {};
    case rl::Baseline::kBatchMean:
      return rl::MeanReward(rewards, &view.collective);
    case rl::Baseline::kMovingAverage: {
      // The present rewards count (equation 16 comes before 17); b itself moves after a sound update.
      const Variable mean(rl::MeanReward(rewards, &view.collective));
      return (options_.baseline_decay * Variable(baseline_.value()) + (1 - options_.baseline_decay) * mean).array();
    }
    case rl::Baseline::kLeaveOneOut:
      return rl::LeaveOneOutBaseline(rewards);
    case rl::Baseline::kMode:
      return Stacked(std::vector<Array>(static_cast<size_t>(rewards.shape()[0]), at_mode));
  }
  return {};
}

absl::StatusOr<StepResult> LatentObjective::Loss(const StepView& view) {
  if (absl::Status status = supervision_->Begin(view); !status.ok()) return status;
  const nn::Context& context = view.context;
  const seg::Features features = network_.Encode(Variable(view.images), context);
  const Variable& z = features[head_.tap];
  const nn::Context policy_context = context.Split("latent_policy");
  const std::vector<int64_t> positions = head_.DrawPositions(z);

  // Nobody asks the policy where its draws modulate nothing.
  const bool asked = options_.source == Source::kPolicy;
  seg::LatentDistribution distribution;
  if (asked) {
    distribution = head_.policy(options_.stop_latent ? Variable(z.array()) : z, policy_context);
    if (options_.frozen_policy) distribution = distribution.Constant();
  } else {
    const Variable standard(Array::Zeros({z.shape()[0], head_.channels}, autograd::kFloat32));
    distribution = {standard, standard};
  }
  const rl::DiagonalGaussian policy(distribution.mean, distribution.log_deviation, positions);
  const Signals signals = Draw(policy, z, view);
  const bool at_mode = asked && signals.decoded.size() > signals.drawn.size();

  const Array& labels = supervision_->labels();
  Variable cross_entropy, soft_iou, distillation;
  std::vector<ImageRewards> scored;
  for (const Variable& signal : signals.decoded) {
    const Variable logits = network_.Decode(head_.Modulated(features, signal, context), context);
    if (&signal == &signals.decoded.front()) distillation = supervision_->Distillation(features, logits);
    const Variable of_signal = supervision_->Loss(logits);
    cross_entropy = cross_entropy.defined() ? cross_entropy + of_signal : of_signal;
    if (options_.soft_iou_weight > 0) {
      const Variable missed = seg::SoftIouLoss(logits, labels);
      soft_iou = soft_iou.defined() ? soft_iou + missed : missed;
    }
    scored.push_back(ScoreImages(logits.array(), labels, options_.reward, options_.boundary_tolerance));
  }
  const double labelled = supervision_->share(), share = 1.0 / static_cast<double>(signals.decoded.size());
  Variable loss = (options_.segmentation_weight * labelled * share) * cross_entropy;
  if (soft_iou.defined()) loss = loss + (options_.soft_iou_weight * share) * soft_iou;
  if (options_.auxiliary_weight > 0 && options_.segmentation_weight > 0) {
    for (const Variable& auxiliary : network_.Auxiliary(features, context))
      loss =
          loss + (options_.auxiliary_weight * options_.segmentation_weight * labelled) * supervision_->Loss(auxiliary);
  }

  if (distillation.defined()) loss = loss + distillation;

  StepNumbersOnDevice numbers;
  if (asked) numbers.log_deviation = distribution.log_deviation.array();
  Array mode_reward;
  if (at_mode) {
    mode_reward = scored.front().total;
    scored.erase(scored.begin());
  }
  std::vector<Array> totals;
  for (const ImageRewards& of_draw : scored) totals.push_back(of_draw.total);
  rewards_ = Stacked(totals);
  collective_ = &view.collective;

  const bool learns_by_reward = asked && !options_.frozen_policy;
  if (learns_by_reward && (options_.policy_weight > 0 || options_.divergence_weight > 0)) {
    seg::LatentDistribution old;
    {
      const autograd::PauseTape constant;
      reference_->CopyTo(reference_policy_);
      old = reference_policy_(Variable(z.array()), policy_context);
    }
    const rl::DiagonalGaussian reference(old.mean, old.log_deviation, positions);
    const Array baseline = BaselineOf(rewards_, mode_reward, view);
    const Array advantages = rl::AdvantagesOver(rewards_, baseline, options_.advantage_low, options_.advantage_high);
    std::vector<Variable> log_probabilities;
    std::vector<Array> old_log_probabilities;
    for (const Array& draw : signals.drawn) {
      log_probabilities.push_back(policy.LogProbability(draw, options_.reduction));
      const autograd::PauseTape constant;
      old_log_probabilities.push_back(reference.LogProbability(draw, options_.reduction).array());
    }
    numbers.surrogate.clip = options_.clip;
    numbers.surrogate.largest_log_ratio = options_.largest_log_ratio;
    const Variable surrogate =
        autograd::Mean(rl::ClippedSurrogate(autograd::Stack(log_probabilities, 0), Stacked(old_log_probabilities),
                                            advantages, numbers.surrogate, &numbers.log_ratio));
    const Variable divergence = reference.Divergence(policy, options_.reduction);
    loss = loss + options_.policy_weight * surrogate +
           (options_.divergence_weight * options_.beta) * autograd::Mean(divergence);
    numbers.advantages = advantages;
    numbers.baseline = baseline;
    numbers.divergence = divergence.array();

    if (options_.probe_every > 0) {
      if (view.step % options_.probe_every == 0 && view.update == 0) {
        const ProbeNumbers probed = probe_.Measure({.features = features,
                                                    .labels = labels,
                                                    .policy = distribution,
                                                    .reference = old,
                                                    .baseline = baseline,
                                                    .policy_context = policy_context,
                                                    .key = view.key.Split("probe")});
        const double values[kProbed] = {probed.within,      probed.cosine_policy,     probed.cosine_segmentation,
                                        probed.norm_policy, probed.norm_segmentation, probed.norm_divergence};
        std::copy(values, values + kProbed, probed_.data<double>());
        auto* sums = probe_sums_.data<double>();
        for (int64_t i = 0; i < kProbed; ++i) sums[i] += values[i];
        sums[kProbed] += 1;
      }
      numbers.probed.assign(probed_.data<double>(), probed_.data<double>() + kProbed);
    }
  }
  if (asked && options_.probe_every > 0) {
    const int64_t moment = view.step * kMoments / std::max<int64_t>(view.total_steps, 1);
    if (moment != (view.step - 1) * kMoments / std::max<int64_t>(view.total_steps, 1) || view.step == 0) {
      const autograd::PauseTape constant;
      const std::vector<float> sigma =
          autograd::Mean(autograd::Exponential(distribution.log_deviation), {0}).array().ToVector<float>();
      std::copy(sigma.begin(), sigma.end(), deviations_.data<float>() + moment * head_.channels);
    }
  }
  numbers.rewards = std::move(scored);
  return StepResult{loss, [this, numbers = std::move(numbers)] {
                      NamedValues values = numbers.Report();
                      for (auto& value : supervision_->Report()) values.push_back(std::move(value));
                      return values;
                    }};
}

std::vector<Score> LatentObjective::ProbeMeans() const {
  const auto* sums = probe_sums_.data<double>();
  const double probes = sums[kProbed];
  if (probes == 0) return {};
  return {{"within", sums[0] / probes}, {"cosine L_P", sums[1] / probes}, {"cosine CE", sums[2] / probes}};
}

void LatentObjective::Updated(const Array& sound) {
  reference_->Update(sound);
  baseline_.Update(rewards_, collective_, sound);
}

void LatentObjective::Fields(nn::FieldVisitor& visitor) {
  supervision_->Fields(visitor);
  visitor.Field("reference", *reference_);
  visitor.Field("baseline", baseline_);
  visitor.Field("probe.last", probed_);
  visitor.Field("probe.sums", probe_sums_);
  visitor.Field("deviations", deviations_);
}

}  // namespace experiments::latent
