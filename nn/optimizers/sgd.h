#pragma once

#include "nn/optimizers/optimizer.h"

namespace nn {

struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = false;
};

// Stochastic gradient descent with momentum, in the order of torch.optim.SGD (dampening 0): weight decay joins the
// gradient before the momentum. State: "momentum.<parameter>".
class Sgd : public Optimizer {
 public:
  explicit Sgd(std::vector<OptimizedParameter> parameters, const SgdOptions& options = {});
  void Update(const Array& sound = {}) override;
  void Fields(FieldVisitor& visitor) override;

 private:
  SgdOptions options_;
  std::vector<Array> momentum_;  // empty without momentum
};

}  // namespace nn
