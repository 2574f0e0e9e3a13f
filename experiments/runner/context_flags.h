#pragma once

// How networks that choose context for themselves (Network::context_inference) are asked to: settings of a run and of a
// network's file, and the flags by which `evaluate` and `predict` differ from the file.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/settings/enum_text.h"
#include "experiments/settings/settings.h"
#include "seg/models/context_rule.h"

namespace experiments {

inline constexpr EnumText<seg::ContextRule> kContextRules[] = {{seg::ContextRule::kAgent, "agent"},
                                                               {seg::ContextRule::kEmpty, "empty"},
                                                               {seg::ContextRule::kFull, "full"},
                                                               {seg::ContextRule::kRandom, "random"},
                                                               {seg::ContextRule::kConfident, "confident"}};
template <>
struct SettingText<seg::ContextRule> : SettingTextOf<seg::ContextRule, 5, kContextRules> {};

// context, context_steps, sample_context, share and confidence, in the group that is open.
void ContextSettings(SettingVisitor& visitor, seg::ContextInference& inference);

// What differs from the network's file.
struct ContextFlags {
  std::vector<int> context_steps;  // each is scored on its own
  std::optional<seg::ContextRule> context;
  std::optional<bool> sample_context;
  std::optional<double> share, confidence;

  void Settings(SettingVisitor& visitor);
  // One for each of context_steps, or `in_file` with what else differs; a network without context has none. WrongFlag
  // where a flag is given for such a network, which is called `network`.
  absl::StatusOr<std::vector<seg::ContextInference>> Override(const std::optional<seg::ContextInference>& in_file,
                                                              const std::string& network) const;
};

// "agent, 2 steps", with what the rule needs.
std::string ToString(const seg::ContextInference& inference);

}  // namespace experiments
