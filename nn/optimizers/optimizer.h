#pragma once

// Optimizers own their state (momenta, step count) as plain arrays named in Fields, so that a training state that holds the
// model and the optimizer is saved and resumed bit for bit by nn/checkpoints. The learning rate is given at every step: it
// is a pure function of the step (nn/schedules).
//
//   nn::AdamW optimizer(nn::GroupParameters(model, {.weight_decay = 0.05, .rate_factors = {{"decoder.classifier", 40}}}), {});
//   for (int64_t step = 0; step < schedule.steps; ++step) {
//     Tape tape;
//     tape.Backward(Loss(model, batch));
//     nn::ClipGradientNorm(optimizer.parameters(), 1.0);
//     optimizer.Step(schedule(step));
//     optimizer.ClearGradients();
//   }

#include <string>
#include <vector>

#include "nn/module.h"

namespace nn {

// A parameter with the attributes of its group.
struct OptimizedParameter {
  std::string name;
  Parameter* parameter;
  double rate_factor = 1;  // times the learning rate of the step
  double weight_decay = 0;
};

struct RateFactor {
  std::string prefix;  // of the parameter's name, by whole parts: "decoder.classifier" or "encoder"
  double factor;
};

struct GroupOptions {
  // For weights of linear and convolution layers. Everything of Layout::kPlain (biases, norms, GRN, tokens) gets none, the
  // usual rule, unless decay_all.
  double weight_decay = 0;
  bool decay_all = false;
  // All that match are multiplied. A prefix that matches nothing is an Error.
  std::vector<RateFactor> rate_factors = {};
};

std::vector<OptimizedParameter> GroupParameters(const ModuleReference& module, const GroupOptions& options = {});

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Updates every parameter that trains and has a gradient, in place.
  virtual void Step(double learning_rate) = 0;
  // The state, by name.
  virtual void Fields(FieldVisitor& visitor) = 0;

  void ClearGradients();
  const std::vector<OptimizedParameter>& parameters() const { return parameters_; }

 protected:
  explicit Optimizer(std::vector<OptimizedParameter> parameters);
  static bool Moves(const OptimizedParameter& optimized) {
    return optimized.parameter->trainable() && optimized.parameter->has_gradient();
  }
  // One array of zeros a parameter.
  std::vector<Array> ZeroState() const;

  std::vector<OptimizedParameter> parameters_;
};

// The Euclidean norm of all gradients together.
double GradientNorm(const std::vector<OptimizedParameter>& parameters);
// The same, after which gradients are scaled by min(1, maximum / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_. Returns the norm
// before scaling. A norm that is not finite scales nothing: the caller decides what to do with such a step.
double ClipGradientNorm(const std::vector<OptimizedParameter>& parameters, double maximum);

}  // namespace nn
