#pragma once

#include "nn/optimizers/optimizer.h"

namespace nn {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2) and bias correction as torch.optim.AdamW.
// One step count serves all parameters. State: "first_moment.<parameter>", "second_moment.<parameter>", "steps".
class AdamW : public Optimizer {
 public:
  explicit AdamW(std::vector<OptimizedParameter> parameters, const AdamWOptions& options = {});
  void Update(const Array& sound = {}) override;
  void Fields(FieldVisitor& visitor) override;

 private:
  AdamWOptions options_;
  std::vector<Array> first_moment_, second_moment_;
  Array steps_;        // int64 [1]
  Array corrections_;  // float64 [2], of the bias at this step
};

}  // namespace nn
