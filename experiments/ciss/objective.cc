#include "experiments/ciss/objective.h"

#include <cmath>
#include <utility>

#include "autograd/core/tape.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/reduce.h"
#include "data/random/random_sequence.h"
#include "experiments/ciss/rollout_numbers.h"
#include "experiments/ciss/whole_image.h"
#include "rl/estimators/masked_mean.h"
#include "rl/estimators/normalized_advantages.h"
#include "rl/estimators/returns.h"
#include "rl/objectives/policy_gradient.h"
#include "rl/objectives/value_loss.h"
#include "rl/policies/categorical.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/context_map.h"
#include "seg/rewards/context_reward.h"
#include "seg/rewards/label_batch.h"

namespace experiments::ciss {
namespace {

using autograd::Array;
using autograd::Variable;

Array PMap(const Variable& logits) { return autograd::ArgMax(logits.array(), autograd::kUInt8); }

Array Stacked(const std::vector<Array>& arrays) {
  return autograd::Stack(std::vector<Variable>(arrays.begin(), arrays.end()), 0).array();
}

seg::ContextRewardOptions Reward(const CissOptions& options) {
  seg::ContextRewardOptions reward;
  reward.window_height = reward.window_width = options.reward_window;
  reward.right_context = options.right_context;
  reward.uncertain = options.uncertain;
  return reward;
}

}  // namespace

CissObjective::CissObjective(const CissOptions& options, Network& network)
    : OfNetwork(network), options_(options), net_(*AsCissNet(network)) {}

int64_t CissObjective::Phase(int64_t step, int64_t total_steps) const {
  return static_cast<double>(step) >= options_.random_first * static_cast<double>(total_steps) ? 1 : 0;
}

absl::StatusOr<StepResult> CissObjective::Loss(const StepView& view) {
  const nn::Context& context = view.context;
  const seg::CissNet::Domain domain = net_.Read(net_.Encode(Variable(view.images), context).back(), context);
  const autograd::Shape grid({view.images.shape()[0], domain.base.shape()[1], domain.base.shape()[2]});
  const int64_t first_position = context.first_sample * grid[1] * grid[2];
  const Array labels = seg::LabelsAt(view.labels, grid[1], grid[2]);
  const seg::ContextRewardOptions reward = Reward(options_);

  seg::ContextChoice choice = options_.context.choice;
  if (Phase(view.step, view.total_steps) == 0)
    choice = {.rule = seg::ContextRule::kRandom, .share = data::RandomSequence(view.key.Split("share")).Uniform(0, 1)};
  const bool agent = choice.rule == seg::ContextRule::kAgent;
  const int64_t group = agent ? options_.group_size : 1;

  Variable logits = domain.base;
  Array p_map = PMap(logits);
  Variable cross_entropy = seg::SegmentationLoss(logits, view.labels);
  RolloutNumbers numbers;
  numbers.labels = labels;
  numbers.agent = options_.context.choice.rule == seg::ContextRule::kAgent;
  std::vector<Array> rewards, values, one_step_returns, one_step_advantages;
  std::vector<Variable> log_probabilities, entropies, critics;
  for (int64_t t = 0; t < options_.rollout; ++t) {
    const nn::Context at_step = context.Split(static_cast<uint64_t>(t));
    const autograd::RandomKey key = view.key.Split(static_cast<uint64_t>(t));
    Array actions;  // [g, n, h, w]
    Array greedy;   // [n, h, w], where the rollout goes on from it
    if (agent) {
      const seg::CissNet::Judgement judgement = net_.Judge(domain, p_map, at_step);
      const rl::Categorical policy(judgement.policy);
      actions = policy.Sample(key, group, first_position);
      if (options_.greedy_rollout && group > 1) greedy = seg::ContextActions(judgement.policy.array(), std::nullopt);
      log_probabilities.push_back(policy.LogProbability(actions));
      entropies.push_back(policy.Entropy());
      critics.push_back(judgement.value + options_.initial_value);
    } else {
      const Array policy = seg::RulePolicy(choice, logits.array());
      actions = seg::ContextActions(policy, choice.draws() ? std::optional(key) : std::nullopt, context.first_sample)
                    .Reshape({1, grid[0], grid[1], grid[2]});
    }

    // The rollout goes on from one context, which S-Net learns from, too; others are tried out.
    const Array told = options_.drawn_labels
                           ? rl::Categorical(logits).Sample(key.Split("labels"), 1, first_position).Reshape(grid)
                           : p_map;
    const Array followed = seg::ContextMap(told, greedy.defined() ? greedy : actions.Slice(0, 1).Reshape(grid));
    const Variable next_logits = net_.Segment(domain, followed, at_step);
    const Array next_map = PMap(next_logits);
    const Array reward_here = seg::ContextReward(p_map, next_map, followed, labels, reward);
    std::vector<Array> tried, rewards_of_group;
    for (int64_t g = 0; g < group; ++g) {
      if (g == 0 && !greedy.defined()) {
        tried.push_back(next_map);
        rewards_of_group.push_back(reward_here);
        continue;
      }
      const autograd::PauseTape trial;
      const Array map = seg::ContextMap(p_map, actions.Slice(g, g + 1).Reshape(grid));
      tried.push_back(PMap(net_.Segment(domain, map, at_step)));
      rewards_of_group.push_back(seg::ContextReward(p_map, tried.back(), map, labels, reward));
    }
    numbers.before.push_back(p_map);
    numbers.contexts.push_back(followed);
    numbers.rewards.push_back(reward_here);
    rewards.push_back(reward_here);
    if (group > 1) {
      const Array stacked = Stacked(rewards_of_group);
      Variable q(stacked);
      if (options_.discount > 0) {
        const autograd::PauseTape trial;
        std::vector<Array> later;
        for (const Array& map : tried) later.push_back(net_.Judge(domain, map, at_step).value.array());
        q = q + options_.discount * Variable(Stacked(later));
      }
      const autograd::PauseTape constant;
      const Variable mean = autograd::Mean(q, {0});
      one_step_returns.push_back(mean.array());
      one_step_advantages.push_back((q - mean).array());
    }
    logits = next_logits;
    p_map = next_map;
    cross_entropy = cross_entropy + seg::SegmentationLoss(logits, view.labels);
  }

  Variable loss = (options_.segmentation_weight / static_cast<double>(options_.rollout + 1)) *
                  (LabelledShare(view) * cross_entropy);
  if (!log_probabilities.empty()) {
    const Array valid = seg::LabelBatch(labels, network_.classes())
                            .Match(numbers.before[0].Reshape({1, grid[0], grid[1], grid[2]}))
                            .valid;
    const Array count = rl::ValidPerRank(valid, grid, &view.collective);
    const auto mean = [&](const Variable& x) { return rl::MaskedMean(x, valid, count); };
    const Variable critic = autograd::Stack(critics, 0);
    Array returns, advantages;
    if (group > 1) {
      returns = Stacked(one_step_returns);
      advantages =
          autograd::Concatenate(std::vector<Variable>(one_step_advantages.begin(), one_step_advantages.end()), 0)
              .array();
    } else {
      Array bootstrap;
      {
        const autograd::PauseTape constant;
        bootstrap = net_.Judge(domain, p_map, context.Split(static_cast<uint64_t>(options_.rollout))).value.array();
      }
      returns = rl::NStepReturns(Stacked(rewards), bootstrap, options_.discount);
      const autograd::PauseTape constant;
      advantages = (Variable(returns) - Variable(critic.array())).array();
    }
    if (options_.normalized_advantages) advantages = rl::NormalizedAdvantages(advantages, valid, &view.collective);
    const Variable log_probability = autograd::Concatenate(log_probabilities, 0);  // [T·g, n, h, w]
    loss = loss + mean(rl::PolicyGradient(log_probability, advantages)) -
           options_.entropy_weight * mean(autograd::Stack(entropies, 0)) + mean(rl::ValueLoss(critic, returns));
    numbers.entropies = autograd::Stack(entropies, 0).array();
    numbers.returns = returns;
    numbers.values = critic.array();
  }
  return StepResult{loss, [numbers = std::move(numbers)] { return numbers.Report(); }};
}

}  // namespace experiments::ciss
