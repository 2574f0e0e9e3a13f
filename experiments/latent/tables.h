#pragma once

// The tables of "Latent-space reinforcement learning for semantic segmentation", with the paper's numbers, and the
// controls that it lacks.

#include "experiments/latent/options.h"
#include "experiments/runner/table.h"

namespace experiments::latent {

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
