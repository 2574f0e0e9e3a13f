#pragma once

// Batch normalisation (Ioffe & Szegedy, "Batch Normalization", ICML 2015, algorithm 1) over all axes but the last:
//
//   y = (x − mean) / sqrt(variance + epsilon) · gamma + beta.
//
// Training uses the mean and the biased variance of the batch and moves the running statistics, running = (1 −
// momentum)·running + momentum·batch, with the unbiased variance (PyTorch's convention). Evaluation uses the running
// statistics, which are constants to the gradient.

#include "autograd/core/tape.h"

namespace autograd {

// Sums a float64 array over the replicas of a synchronised batch normalisation, in place and on the current stream;
// every replica calls it once forward and once backward, in the same order. Null: this replica is alone.
struct ReplicaSum {
  void (*function)(Array& values, void* context) = nullptr;
  void* context = nullptr;  // lives until the backward pass
};

struct BatchNormOptions {
  double epsilon = 1e-5;
  double momentum = 0.1;
  bool relu = false;  // y = max(0, …); nothing more is saved for it
  ReplicaSum replicas = {};
};

// x [..., c], gamma [c], beta [c] → y [..., c]. x may be bfloat16 while gamma and beta are float32. running_mean and
// running_variance [c] are float32 (float64 for float64 x) and are written in place in training: so a Checkpoint around
// it moves them twice. Saves x, gamma, beta and two numbers a channel. Training needs more than one value a channel.
Variable BatchNorm(const Variable& x, const Variable& gamma, const Variable& beta, Array& running_mean,
                   Array& running_variance, bool training, const BatchNormOptions& options = {});

}  // namespace autograd
