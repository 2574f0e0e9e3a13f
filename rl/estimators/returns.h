#pragma once

// What the steps of a rollout were worth: returns and advantages over a time axis, the first one. Constants, like all
// estimators.
//
// At a position, step t earned r_t in state s_t, which a critic values at V(s_t). Where `terminal` is not 0 the episode
// ended with step t: nothing behind it counts for t and before. Everything is computed in float64 and rounded once an
// entry.

#include "autograd/core/array.h"

namespace rl {

// R_t = r_t + γ·R_{t+1}, R_T = V(s_T): the returns of at most T steps, bootstrapped (Mnih et al., arXiv:1602.01783,
// algorithm S3). rewards float32 [T, ..]; bootstrap float32 [..], V of the state after the last step, or undefined for
// 0; terminal uint8 [T, ..] or undefined -> float32 [T, ..]. 0 <= discount <= 1.
autograd::Array NStepReturns(const autograd::Array& rewards, const autograd::Array& bootstrap, double discount,
                             const autograd::Array& terminal = {});

// A_t = Σ_l (γλ)^l·δ_{t+l}, δ_t = r_t + γ·V(s_{t+1}) − V(s_t): GAE (Schulman et al., arXiv:1506.02438, equations 11 and
// 16). With λ = 1 it is NStepReturns − V, with λ = 0 it is δ. values float32 [T + 1, ..], the last of them the
// bootstrap; others as above; -> float32 [T, ..]. 0 <= lambda <= 1. The critic's targets are A_t + V(s_t).
autograd::Array GeneralizedAdvantages(const autograd::Array& rewards, const autograd::Array& values, double discount,
                                      double lambda, const autograd::Array& terminal = {});

}  // namespace rl
