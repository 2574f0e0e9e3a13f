#include "experiments/runner/gradient_options.h"

#include <utility>

#include "experiments/settings/enum_text.h"
#include "nn/optimizers/adamw.h"
#include "nn/optimizers/rmsprop.h"
#include "nn/optimizers/sgd.h"

namespace experiments {
namespace {

constexpr EnumText<OptimizerKind> kOptimizers[] = {
    {OptimizerKind::kAdamW, "adamw"}, {OptimizerKind::kSgd, "sgd"}, {OptimizerKind::kRmsProp, "rmsprop"}};

}  // namespace

bool AbslParseFlag(absl::string_view text, OptimizerKind* kind, std::string* error) {
  return ParseEnum(text, kOptimizers, kind, error);
}
std::string AbslUnparseFlag(OptimizerKind kind) { return PrintEnum(kind, kOptimizers); }

void GradientOptions::Settings(SettingVisitor& visitor) {
  visitor.Group("Gradient");
  visitor.Setting("learning_rate", learning_rate, "peak learning rate", AtLeast(0));
  visitor.Setting("optimizer", optimizer, "adamw, sgd or rmsprop");
  visitor.Setting("warm_up_steps", warm_up_steps, "of the learning rate, which then falls", AtLeast(0));
  visitor.Setting("warm_up_factor", warm_up_factor, "of the rate, at the first of them", In(0, 1));
  visitor.Setting("final_rate", final_rate, "where the rate ends, as a share of it", In(0, 1));
  visitor.Setting("decay_power", power, "of the polynomial by which it falls", AtLeast(0));
  visitor.Setting("weight_decay", weight_decay, "decoupled; none on biases and norms", AtLeast(0));
  visitor.Setting("momentum", momentum, "of sgd", Below(0, 1));
  visitor.Setting("last_layer_factor", last_layer_factor, "of the last layer's learning rate", AtLeast(0));
  visitor.Setting("clip_norm", clip_norm, "largest norm of the whole gradient; 0: no clipping", AtLeast(0));
  visitor.Setting("average_decay", average_decay, "of the moving average that is evaluated; 0: none", Below(0, 1));
  visitor.Setting("inner_updates", inner_updates, "optimizer steps a batch of samples (GRPO's mu)", AtLeast(1));
  visitor.Setting("capture", capture, "record a step once and replay it, on CUDA as one graph");
}

std::unique_ptr<nn::Optimizer> MakeOptimizer(const GradientOptions& options, const nn::ModuleReference& module) {
  std::vector<nn::OptimizedParameter> parameters =
      nn::GroupParameters(module, {.weight_decay = options.weight_decay, .rate_factors = options.rate_factors});
  switch (options.optimizer) {
    case OptimizerKind::kSgd:
      return std::make_unique<nn::Sgd>(std::move(parameters), nn::SgdOptions{.momentum = options.momentum});
    case OptimizerKind::kRmsProp:
      return std::make_unique<nn::RmsProp>(std::move(parameters));
    case OptimizerKind::kAdamW:
      break;
  }
  return std::make_unique<nn::AdamW>(std::move(parameters));
}

nn::Schedule RateSchedule(const GradientOptions& options, int64_t steps) {
  nn::Schedule schedule =
      nn::PolynomialSchedule(options.learning_rate, steps, options.power, options.final_rate * options.learning_rate);
  schedule.warm_up_steps = options.warm_up_steps;
  schedule.warm_up_factor = options.warm_up_factor;
  return schedule;
}

}  // namespace experiments
