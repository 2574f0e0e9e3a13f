#pragma once

// Networks with a latent policy (seg/models/latent.h): settings of a run and of a network's file, and the flag by which
// `evaluate` and `predict` differ from the file.

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "experiments/settings/enum_text.h"
#include "experiments/settings/settings.h"
#include "seg/models/latent.h"

namespace experiments {

inline constexpr EnumText<seg::Modulation> kModulations[] = {{seg::Modulation::kAttention, "attention"},
                                                             {seg::Modulation::kAddition, "addition"},
                                                             {seg::Modulation::kMultiplication, "multiplication"},
                                                             {seg::Modulation::kConcatenation, "concatenation"}};
template <>
struct SettingText<seg::Modulation> : SettingTextOf<seg::Modulation, 4, kModulations> {};

inline constexpr EnumText<seg::LatentDraw> kLatentDraws[] = {{seg::LatentDraw::kPosition, "position"},
                                                             {seg::LatentDraw::kChannel, "channel"}};
template <>
struct SettingText<seg::LatentDraw> : SettingTextOf<seg::LatentDraw, 2, kLatentDraws> {};

inline constexpr EnumText<seg::LatentSignal> kLatentSignals[] = {
    {seg::LatentSignal::kMean, "mean"}, {seg::LatentSignal::kSample, "sample"}, {seg::LatentSignal::kZero, "zero"}};
template <>
struct SettingText<seg::LatentSignal> : SettingTextOf<seg::LatentSignal, 3, kLatentSignals> {};

// What a network's file says of its latent policy.
struct LatentSettings {
  seg::LatentConfig config;
  seg::LatentInference inference;

  // modulation, modulation_heads, initial_scale, draw, policy_blocks, policy_width, policy_bins, bounded, map_scale and
  // test_signal, in the group that is open.
  void Settings(SettingVisitor& visitor);
};

// What differs from the network's file.
struct LatentFlags {
  std::optional<seg::LatentSignal> signal;

  void Settings(SettingVisitor& visitor);
  // `in_file` with what differs; unset for a network without a latent policy. WrongFlag where the flag is given for
  // such a network, which is called `network`.
  absl::StatusOr<std::optional<seg::LatentInference>> Override(const std::optional<LatentSettings>& in_file,
                                                               const std::string& network) const;
  // A line for people where the flag differs from what the file says; else empty.
  std::string OtherThanInTraining(const std::optional<LatentSettings>& in_file) const;
};

// "latent policy with attention, a draw a position", with what tells two networks apart.
std::string ToString(const seg::LatentConfig& config);

}  // namespace experiments
