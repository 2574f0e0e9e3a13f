#include "experiments/runner/latent_flags.h"

#include "absl/strings/str_cat.h"

namespace experiments {

void LatentSettings::Settings(SettingVisitor& visitor) {
  seg::LatentModulationConfig& modulation = config.modulation;
  seg::LatentPolicyConfig& policy = config.policy;
  visitor.Setting("modulation", modulation.kind,
                  "of the features by the signal: attention, addition, multiplication, "
                  "concatenation");
  visitor.Setting("modulation_heads", modulation.heads, "of the attention", AtLeast(1));
  visitor.Setting("initial_scale", modulation.initial_scale, "of the modulated features (alpha), which is learned");
  visitor.Setting("draw", config.draw, "a signal of its own for each position of the map, or one a channel");
  visitor.Setting("policy_blocks", policy.blocks, "convolutions of the policy (L)", AtLeast(1));
  visitor.Setting("policy_width", policy.width, "the most channels of all blocks but the last; 0: the features'",
                  AtLeast(0));
  visitor.Setting("policy_rows", policy.pool_height, "of bins that the policy's features are averaged over (P_h)",
                  AtLeast(1));
  visitor.Setting("policy_columns", policy.pool_width, "of the same (P_w)", AtLeast(1));
  visitor.Setting("bounded", policy.bounded, "log sigma is 4*tanh; otherwise linear");
  visitor.Setting("map_scale", policy.map_scale, "of the first maps to mu and log sigma", AtLeast(0));
  visitor.Setting("test_signal", inference.signal, "in evaluations: mean, sample, zero");
}

void LatentFlags::Settings(SettingVisitor& visitor) {
  visitor.Group("Latent policy");
  visitor.Setting("signal", signal, "what modulates the features: mean (of the policy), sample, zero");
}

absl::StatusOr<std::optional<seg::LatentInference>> LatentFlags::Override(const std::optional<LatentSettings>& in_file,
                                                                          const std::string& network) const {
  if (!in_file.has_value()) {
    if (!signal.has_value()) return std::optional<seg::LatentInference>();
    return WrongFlag(absl::StrCat("--signal: the network of --checkpoint, ", network, ", has no latent policy"));
  }
  seg::LatentInference inference = in_file->inference;
  if (signal.has_value()) inference.signal = *signal;
  return std::optional(inference);
}

std::string LatentFlags::OtherThanInTraining(const std::optional<LatentSettings>& in_file) const {
  if (!in_file.has_value() || !signal.has_value() || *signal == in_file->inference.signal) return "";
  return absl::StrCat("note: the signal is ", PrintEnum(*signal, kLatentSignals), ", by --signal; in training it was ",
                      PrintEnum(in_file->inference.signal, kLatentSignals), "\n");
}

std::string ToString(const seg::LatentConfig& config) {
  const seg::LatentPolicyConfig& policy = config.policy;
  std::string text = absl::StrCat("latent policy with ", PrintEnum(config.modulation.kind, kModulations));
  if (config.modulation.kind == seg::Modulation::kAttention)
    absl::StrAppend(&text, " of ", config.modulation.heads, " heads");
  return absl::StrCat(text, ", a draw a ", PrintEnum(config.draw, kLatentDraws), ", ", policy.blocks, " blocks of ",
                      policy.width == 0 ? "full width" : absl::StrCat(policy.width), ", ", policy.pool_height, "×",
                      policy.pool_width, " bins", policy.bounded ? "" : ", unbounded");
}

}  // namespace experiments
