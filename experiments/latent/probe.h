#pragma once

// What the policy's gradient is worth, measured on this rank's batch of a step with two draws of each image. A policy
// gradient can only teach what rewards say about actions: the share of the rewards' variance that lies within an image
// says how much that is, and the cosine between the gradients of two draws how much of one is more than noise.

#include <vector>

#include "autograd/core/array.h"
#include "experiments/latent/options.h"
#include "experiments/runner/network.h"

namespace experiments::latent {

struct ProbeNumbers {
  double within = 0;               // share of the reward's variance that is within images, in [0, 1]
  double cosine_policy = 0;        // of the gradients −A·∇log π(s) of two draws, at the policy's parameters
  double cosine_segmentation = 0;  // of those of the cross-entropy through the draws
  double norm_policy = 0, norm_segmentation = 0, norm_divergence = 0;  // weighted as in the loss
};

class LatentProbe {
 public:
  // `network` has a latent policy and must outlive the probe.
  LatentProbe(const LatentOptions& options, Network& network);

  struct Batch {
    const seg::Features& features;  // constants of the step, as Encode returned them
    const autograd::Array& labels;  // uint8 [b, H, W]
    const seg::LatentDistribution &policy, &reference;
    const autograd::Array& baseline;  // float64 [1], or undefined for 0; with several draws an image their own
    nn::Context policy_context;       // of the policy's forward pass
    autograd::RandomKey key;          // of the two draws
  };
  // Decodes with running statistics and without dropout; changes no parameter, buffer or gradient of the network.
  ProbeNumbers Measure(const Batch& batch);

 private:
  // The gradient at the policy's parameters, for that of (μ, log σ).
  std::vector<double> AtParameters(const autograd::Array& mean, const autograd::Array& log_deviation,
                                   const Batch& batch);

  const LatentOptions& options_;
  Network& network_;
  seg::LatentHead& head_;
  seg::LatentPolicy twin_;
};

}  // namespace experiments::latent
