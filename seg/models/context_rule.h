#pragma once

// Which labels of a p-map become context (Zhou et al., "Context-reinforced semantic segmentation", CVPR 2019): what the
// context net says, or a rule that stands beside it, as in the paper's Table 4. All rules are policies, logits [n, h,
// w, 2] for ContextActions.

#include <cstdint>

#include "autograd/core/array.h"

namespace seg {

enum class ContextRule : uint8_t {
  kAgent,      // the context net's policy
  kEmpty,      // nothing: all is uncertain
  kFull,       // the whole p-map
  kRandom,     // each label with probability `share`
  kConfident,  // labels whose softmax probability is at least `confidence`
};

struct ContextChoice {
  ContextRule rule = ContextRule::kAgent;
  bool sample = false;      // kAgent: actions are drawn; otherwise an action is greedy
  double share = 0.5;       // kRandom, in [0, 1]
  double confidence = 0.5;  // kConfident, in [0, 1]

  // Whether actions depend on a key.
  bool draws() const { return rule == ContextRule::kRandom || (rule == ContextRule::kAgent && sample); }
};

// The policy of a rule that asks no agent, float32 [n, h, w, 2]: logits float32 [n, h, w, k] are those whose argmax the
// p-map is. kAgent is an Error.
autograd::Array RulePolicy(const ContextChoice& choice, const autograd::Array& logits);

// How a network with context infers.
struct ContextInference {
  int64_t steps = 2;  // t; 0 is Base alone
  ContextChoice choice = {};
};

}  // namespace seg
