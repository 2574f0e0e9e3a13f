#pragma once

// Normalisations. Their parameters and statistics stay float32 whatever the activations are.

#include "nn/context.h"
#include "nn/module.h"

namespace nn {

// Over the last axis. Fields: weight, bias.
struct LayerNorm {
  explicit LayerNorm(int64_t channels, double epsilon = 1e-6);
  Variable operator()(const Variable& x);
  void Fields(FieldVisitor& visitor);

  Parameter weight, bias;
  double epsilon;
};

// Fields: weight, bias.
struct GroupNorm {
  GroupNorm(int64_t groups, int64_t channels, double epsilon = 1e-5);
  // With `relu`, max(0, y).
  Variable operator()(const Variable& x, bool relu = false);
  void Fields(FieldVisitor& visitor);

  Parameter weight, bias;
  int64_t groups;
  double epsilon;
};

struct BatchNormOptions {
  double epsilon = 1e-5;
  double momentum = 0.1;  // of the batch's share: running = (1 − momentum)·running + momentum·batch
};

// Over all axes but the last. Fields: weight, bias, running_mean, running_var, num_batches_tracked.
struct BatchNorm2d {
  explicit BatchNorm2d(int64_t channels, const BatchNormOptions& options = {});
  // With `relu`, max(0, y).
  Variable operator()(const Variable& x, const Context& context, bool relu = false);
  void Fields(FieldVisitor& visitor);
  void CountBatch(int64_t change);  // adds to batches_tracked, at each run of a recorded step

  Parameter weight, bias;
  Array running_mean, running_variance;
  Array batches_tracked;  // int64 [], on the host
  BatchNormOptions options;
};

// Global response normalisation (ConvNeXt V2), the identity at first. Fields: weight, bias.
struct Grn {
  explicit Grn(int64_t channels);
  // Of GELU(x): the two always come together, and the op keeps x only.
  Variable AfterGelu(const Variable& x);
  void Fields(FieldVisitor& visitor);

  Parameter weight, bias;
};

}  // namespace nn
