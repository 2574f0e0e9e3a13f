#include "experiments/runner/context_flags.h"

#include "absl/strings/str_cat.h"

namespace experiments {

void ContextSettings(SettingVisitor& visitor, seg::ContextInference& inference) {
  visitor.Setting("context", inference.choice.rule,
                  "chosen by the agent, or in its place: empty, full, random or confident");
  visitor.Setting("context_steps", inference.steps, "contexts before a prediction is taken (t); 0: Base alone",
                  AtLeast(0));
  visitor.Setting("sample_context", inference.choice.sample, "the agent's actions are drawn; otherwise greedy");
  visitor.Setting("share", inference.choice.share, "with --context=random, of the labels", In(0, 1));
  visitor.Setting("confidence", inference.choice.confidence, "with --context=confident, the least", In(0, 1));
}

void ContextFlags::Settings(SettingVisitor& visitor) {
  visitor.Group("Context (CiSS-Net)");
  visitor.Setting("context_steps", context_steps, "contexts before a prediction, as 2 or 0,2,4,6; 0: Base alone",
                  AtLeast(0));
  visitor.Setting("context", context, "by the agent, or in its place: empty, full, random or confident");
  visitor.Setting("sample_context", sample_context, "the agent's actions are drawn; otherwise greedy");
  visitor.Setting("share", share, "with --context=random, of the labels", In(0, 1));
  visitor.Setting("confidence", confidence, "with --context=confident, the least", In(0, 1));
}

absl::StatusOr<std::vector<seg::ContextInference>> ContextFlags::Override(
    const std::optional<seg::ContextInference>& in_file, const std::string& network) const {
  if (!in_file.has_value()) {
    const char* given = !context_steps.empty()       ? "context_steps"
                        : context.has_value()        ? "context"
                        : sample_context.has_value() ? "sample_context"
                        : share.has_value()          ? "share"
                        : confidence.has_value()     ? "confidence"
                                                     : nullptr;
    if (given == nullptr) return std::vector<seg::ContextInference>();
    return WrongFlag(absl::StrCat("--", given, ": the network of --checkpoint, ", network,
                                  ", has no context net; CiSS-Nets have one"));
  }
  seg::ContextInference inference = *in_file;
  if (context.has_value()) inference.choice.rule = *context;
  if (sample_context.has_value()) inference.choice.sample = *sample_context;
  if (share.has_value()) inference.choice.share = *share;
  if (confidence.has_value()) inference.choice.confidence = *confidence;
  std::vector<seg::ContextInference> all;
  for (const int steps : context_steps) {
    inference.steps = steps;
    all.push_back(inference);
  }
  if (all.empty()) all.push_back(inference);
  return all;
}

std::string ToString(const seg::ContextInference& inference) {
  if (inference.steps == 0) return "Base alone";
  std::string text = PrintEnum(inference.choice.rule, kContextRules);
  if (inference.choice.rule == seg::ContextRule::kAgent && inference.choice.sample) absl::StrAppend(&text, ", drawn");
  if (inference.choice.rule == seg::ContextRule::kRandom) absl::StrAppend(&text, " ", inference.choice.share);
  if (inference.choice.rule == seg::ContextRule::kConfident) absl::StrAppend(&text, " ", inference.choice.confidence);
  return absl::StrCat(text, ", ", inference.steps, inference.steps == 1 ? " step" : " steps");
}

}  // namespace experiments
