#pragma once

// Optimizers own their state (momenta, step count) as plain arrays named in Fields, so that a training state that holds
// the model and the optimizer is saved and resumed bit for bit by nn/checkpoints. The learning rate is given at every
// step: it is a pure function of the step (nn/schedules).
//
//   nn::AdamW optimizer(
//       nn::GroupParameters(model, {.weight_decay = 0.05, .rate_factors = {{"decoder.classifier", 40}}}), {});
//   for (int64_t step = 0; step < schedule.steps; ++step) {
//     Tape tape;
//     tape.Backward(Loss(model, batch));
//     nn::ClipGradientNorm(optimizer.parameters(), 1.0);
//     optimizer.Step(schedule(step));
//     optimizer.ClearGradients();
//   }
//
// Nothing here waits for the device. Where a whole step is one CapturedStep, the rate is given outside of what is
// recorded, and a step whose loss or gradient is not finite leaves everything as it was:
//
//   recorded: … tape.Backward(loss);
//             norm = nn::ClipGradientNorm(optimizer.parameters(), 1.0);
//             optimizer.Update(nn::AllFinite({loss.array(), norm}));
//             optimizer.ClearGradients();
//   loop:     optimizer.SetLearningRate(schedule(step));
//             captured.Run(key, step);
//             if (!std::isfinite(loss.array().Item()) || !std::isfinite(norm.Item())) … nothing was updated

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
  // For weights of linear and convolution layers. Everything of Layout::kPlain (biases, norms, GRN, tokens) gets none,
  // the usual rule, unless decay_all.
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
  void Step(double learning_rate, const Array& sound = {}) {
    SetLearningRate(learning_rate);
    Update(sound);
  }
  // The two parts of Step. `sound`, float64 [1] on the device or undefined, is read when the kernels run: with 0
  // nothing changes.
  void SetLearningRate(double learning_rate);
  virtual void Update(const Array& sound = {}) = 0;
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
  Array rate_;  // float64 [1]
};

// The Euclidean norm of all gradients together, float64 [1].
Array GradientNorm(const std::vector<OptimizedParameter>& parameters);
// The same, after which gradients are scaled by min(1, maximum / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_. The
// norm is that before scaling. One that is not finite scales nothing.
Array ClipGradientNorm(const std::vector<OptimizedParameter>& parameters, double maximum);

// float64 [1]: 1 when all of the (floating) scalars are finite, else 0.
Array AllFinite(const std::vector<Array>& scalars);

}  // namespace nn
