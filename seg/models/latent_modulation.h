#pragma once

// How a signal s modulates an encoder's features z before they are decoded ("Latent-space reinforcement learning for
// semantic segmentation", equations 13, 14 and 20 to 22). The decoder reads [z, α·z_mod] with a learned α:
//
//   kAttention       s′ = ReLU(BN(Conv1×1(s))),  z_mod = MultiheadAttention(q = z − s′, k = z, v = z)
//   kAddition        z_mod = z + s
//   kMultiplication  z_mod = z ⊙ (1 + tanh s)
//   kConcatenation   z_mod = [z, s]
//
// Without a signal, z_mod is MultiheadAttention(z, z, z), z, z and [z, 0]: networks of as many parameters, which a
// policy's gain is to be compared with (Table 6, "L_seg only").

#include <cstdint>
#include <optional>

#include "nn/blocks/multi_head_attention.h"
#include "nn/context.h"
#include "nn/layers/conv_norm_act.h"
#include "nn/module.h"

namespace seg {

using autograd::RandomKey;
using autograd::Variable;

enum class Modulation : uint8_t { kAttention, kAddition, kMultiplication, kConcatenation };

struct LatentModulationConfig {
  Modulation kind = Modulation::kAttention;
  int64_t heads = 8;  // of the attention; they divide d
  // Of α, which the paper does not give. Where SGD trains it, a small one stays small, and z_mod unused.
  double initial_scale = 1;
};

struct LatentModulation {
  // For features of `channels` (d).
  LatentModulation(int64_t channels, const LatentModulationConfig& config, RandomKey key);

  // Channels of z_mod: what a decoder reads more than without modulation.
  static int64_t ExtraChannels(int64_t channels, Modulation kind) {
    return kind == Modulation::kConcatenation ? 2 * channels : channels;
  }

  // z [n, h, w, d] and a signal [n, h, w, d], or [n, 1, 1, d] for one that all positions of an image share, in any
  // floating dtype, or undefined for none → [z, α·z_mod], [n, h, w, d + ExtraChannels] in z's dtype. Differentiable in
  // both.
  Variable operator()(const Variable& z, const Variable& signal, const nn::Context& context);
  // scale; of kAttention also projection.{conv, bn} and attention.{qkv or q_proj, k_proj, v_proj; proj}
  void Fields(nn::FieldVisitor& visitor);

  LatentModulationConfig config;
  std::optional<nn::ConvNormAct> projection;  // s → s′
  std::optional<nn::MultiHeadAttention> attention;
  nn::Parameter scale;  // α, [1]
};

}  // namespace seg
