#pragma once

// How gradients become steps.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "experiments/settings/settings.h"
#include "nn/module.h"
#include "nn/optimizers/optimizer.h"
#include "nn/schedules/schedule.h"

namespace experiments {

enum class OptimizerKind : uint8_t { kAdamW, kSgd, kRmsProp };
bool AbslParseFlag(absl::string_view text, OptimizerKind* kind, std::string* error);
std::string AbslUnparseFlag(OptimizerKind kind);

struct GradientOptions {
  OptimizerKind optimizer = OptimizerKind::kAdamW;
  double learning_rate = 1e-3;
  int64_t warm_up_steps = 50;
  double warm_up_factor = 0.01;  // of the rate, at the first of them
  double power = 0.9;            // of the polynomial decay
  double final_rate = 0;         // where that ends, as a share of the rate
  double weight_decay = 0.01;
  double momentum = 0.9;         // SGD
  double last_layer_factor = 1;  // of the learning rate (RSS, Table 3)
  double clip_norm = 1;          // of the whole gradient; 0 does not clip
  double average_decay = 0;      // of the evaluated moving average; 0 evaluates the weights themselves
  int inner_updates = 1;         // optimizer steps per batch of samples (μ of GRPO)
  // A step is recorded, once for each phase, and replayed (autograd/core/captured_step.h). Draws other random numbers
  // than without.
  bool capture = false;

  // Factors of the learning rate by the names of parameters. A run's code fills them in, as it knows the network:
  // last_layer_factor among them.
  std::vector<nn::RateFactor> rate_factors = {};

  void Settings(SettingVisitor& visitor);
};

std::unique_ptr<nn::Optimizer> MakeOptimizer(const GradientOptions& options, const nn::ModuleReference& module);
nn::Schedule RateSchedule(const GradientOptions& options, int64_t steps);

}  // namespace experiments
