#pragma once

// The tables of "Latent-space reinforcement learning for semantic segmentation", with the paper's numbers, and the
// controls that it lacks.

#include <concepts>

#include "experiments/latent/options.h"
#include "experiments/runner/table.h"

namespace experiments::latent {

// The controls of a policy, for the tables of every experiment whose options are LatentOptions and more.

// "L_seg only" of Table 6: MultiheadAttention(z, z, z).
template <std::derived_from<LatentOptions> Options>
Options WithoutSignal(Options options) {
  options.modulated = true;
  options.source = Source::kZero;
  options.latent.inference.signal = seg::LatentSignal::kZero;
  return options;
}

// Draws of the policy, which the cross-entropy alone teaches: λ_P = λ_KL = 0.
template <std::derived_from<LatentOptions> Options>
Options PathwiseOnly(Options options) {
  options.modulated = true;
  options.policy_weight = options.divergence_weight = 0;
  return options;
}

template <std::derived_from<LatentOptions> Options>
Options Noise(Options options) {
  options.modulated = true;
  options.source = Source::kNoise;
  options.latent.inference.signal = seg::LatentSignal::kZero;  // the mean of the noise
  return options;
}

// The network as it is; with attention and no signal; with a policy that labels alone teach; the method.
Table<LatentOptions> Methods(const LatentOptions& base);

// What could explain a gain of the policy gradient away, and the choices under which it might have one.
Table<LatentOptions> Controls(const LatentOptions& base);
// The same rows, each begun with the weights of the row "attention, no signal".
Table<LatentOptions> ControlsFromTrained(const LatentOptions& base);

// Whose numbers Table 2 quotes.
enum class Quoted { kVoc2012, kAde20k, kCityscapes };

Table<LatentOptions> TableOne(const LatentOptions& base);  // schedules
template <Quoted kQuoted>
Table<LatentOptions> TableTwo(const LatentOptions& base);  // networks
// Other domains: the scores of base.targets beside the source's own. The paper's numbers stand at the targets that it
// has, and in the note.
Table<LatentOptions> TableFour(const LatentOptions& base);
Table<LatentOptions> TableFiveA(const LatentOptions& base);  // rewards
Table<LatentOptions> TableFiveB(const LatentOptions& base);  // baselines
Table<LatentOptions> TableSix(const LatentOptions& base);    // objective, and the grid of λ_P and λ_KL
Table<LatentOptions> TableSeven(const LatentOptions& base);  // modulation
Table<LatentOptions> TableEight(const LatentOptions& base);  // bounded log σ

}  // namespace experiments::latent
