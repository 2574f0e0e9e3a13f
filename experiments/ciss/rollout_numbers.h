#pragma once

// What the log says of a rollout's contexts.

#include <vector>

#include "autograd/core/array.h"
#include "experiments/runner/curves.h"

namespace experiments::ciss {

// Maps of a rollout of T steps, on X's grid; the vectors have T of them, in order.
struct RolloutNumbers {
  autograd::Array labels;                                  // uint8 [n, h, w]
  std::vector<autograd::Array> before, contexts, rewards;  // Y^t, K^t uint8 and r^t float32, [n, h, w]
  bool agent = false;                                      // whether there is one in any step of the run
  autograd::Array entropies, returns, values;              // float32 [T, n, h, w]; undefined where it did not choose

  // Over the pixels of this rank that are not void: "reward"; "adopted", the share of labels that became context;
  // "precision", the share of those that are right; and with an agent "entropy" (in nats) and "explained", 1 − Var(R −
  // V)/Var(R), the explained variance of the critic. Reads the maps back.
  NamedValues Report() const;
};

}  // namespace experiments::ciss
