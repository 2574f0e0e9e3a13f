#pragma once

#include "nn/optimizers/optimizer.h"

namespace nn {

struct RmsPropOptions {
  double decay = 0.99;   // α, of the mean square
  double epsilon = 0.1;  // ε, under the root; the paper names none
};

// RMSProp as asynchronous actor-critic training uses it (V. Mnih et al., "Asynchronous methods for deep reinforcement
// learning", 2016, section 4, equation 1), without momentum and not centred:
//
//   g ← α·g + (1 − α)·Δθ²,  θ ← θ − η·Δθ / √(g + ε)
//
// Δθ is the gradient; weight decay joins it first, as in torch.optim.RMSprop (which adds its ε outside of the root). g
// begins at zero. Workers that share one optimizer share its statistics (the paper's Shared RMSProp); the calls need a
// lock. State: "mean_square.<parameter>".
class RmsProp : public Optimizer {
 public:
  // 0 ≤ decay < 1, epsilon > 0.
  explicit RmsProp(std::vector<OptimizedParameter> parameters, const RmsPropOptions& options = {});
  void Update(const Array& sound = {}) override;
  void Fields(FieldVisitor& visitor) override;

 private:
  RmsPropOptions options_;
  std::vector<Array> mean_square_;
};

}  // namespace nn
