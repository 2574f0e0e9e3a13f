#pragma once

// The policy of latent-space RL ("Latent-space reinforcement learning for semantic segmentation", equations 7 to 12):
// from an encoder's features z, a Gaussian for each of their channels, from which a signal is drawn that modulates z
// before it is decoded (latent_modulation.h).
//
//   z [n, h, w, d] → L blocks (3×3 convolution, batch norm, ReLU) → means over P_h × P_w bins → for each channel a
//   linear map of its P_h·P_w means: μ [n, d] and log σ = 4·tanh(another) [n, d]
//
// The paper leaves two things open. Its fc is read here as one map a channel, with weights of its own (a map that all
// channels share is the special case of equal weights). And its blocks, whose width it does not give, have at most
// `width` channels but for the last, which has d: with width 0 all have d, and at d = 2048 they cost four times the
// whole FCN.

#include <cstdint>
#include <vector>

#include "nn/context.h"
#include "nn/layers/conv_norm_act.h"
#include "nn/module.h"

namespace seg {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;

struct LatentPolicyConfig {
  int64_t blocks = 4;                       // L
  int64_t width = 256;                      // of all blocks but the last, and at most d; 0: d
  int64_t pool_height = 4, pool_width = 4;  // P_h × P_w
  bool bounded = true;                      // 4·tanh; without, log σ is the linear map itself (Table 8)
  // Of the initial weights of the maps to μ and log σ, in PyTorch's U(±1/√(P_h·P_w)). At 1, ratios between a policy and
  // its reference leave every bound within a few steps.
  double map_scale = 0.1;
};

// Of each channel of each image: μ and log σ, [n, d], in float32 (float64 for float64 features).
struct LatentDistribution {
  Variable mean, log_deviation;

  // The same numbers, through which no gradient flows.
  LatentDistribution Constant() const { return {Variable(mean.array()), Variable(log_deviation.array())}; }
};

struct LatentPolicy {
  static constexpr double kLargestLogDeviation = 4;  // equation 10

  // For features of `channels` (d).
  LatentPolicy(int64_t channels, const LatentPolicyConfig& config, RandomKey key);

  // z [n, h, w, d] in any floating dtype. Batch norms see n·h·w values a channel.
  LatentDistribution operator()(const Variable& z, const nn::Context& context);
  // blocks.i.{conv, bn}, mean.{weight, bias}, log_deviation.{weight, bias}; weights are [P_h·P_w, d].
  void Fields(nn::FieldVisitor& visitor);

  // One linear map a channel, of its means over the bins.
  struct ChannelMaps {
    ChannelMaps(int64_t bins, int64_t channels, double scale, RandomKey key);
    // descriptor [n, bins, d] → [n, d].
    Variable operator()(const Variable& descriptor);
    void Fields(nn::FieldVisitor& visitor);
    nn::Parameter weight, bias;  // [bins, d], [d]
  };

  LatentPolicyConfig config;
  std::vector<nn::ConvNormAct> blocks;
  ChannelMaps mean, log_deviation;
};

}  // namespace seg
