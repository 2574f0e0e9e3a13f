#pragma once

#include "nn/blocks/multi_head_attention.h"
#include "nn/layers/normalization.h"

namespace nn {

struct Eva02BlockOptions {
  int64_t heads = 1;
  int64_t mlp_width = 0;  // 0: ⌊8·width / 3⌋
  double epsilon = 1e-6;
  double drop_path = 0;            // of both branches
  double output_deviation = 0.02;  // of the first values of attn.proj and mlp.fc2
};

// The block of EVA-02 (Fang et al., "EVA-02: A visual representation for neon genesis", 2023, figure 2), base and
// large, as in timm: rotary queries and keys, no key bias, and a gated MLP (SwiGLU) with a norm inside (sub-LN):
//   x ← x + DropPath(attention(LayerNorm(x)))
//   x ← x + DropPath(fc2(LayerNorm(SiLU(fc1_g(z))·fc1_x(z)))),  z = LayerNorm(x)
// Fields, as timm's: norm1, attn.{q_proj, k_proj, v_proj, proj}, norm2, mlp.{fc1_g, fc1_x, norm, fc2}.
struct Eva02Block {
  Eva02Block(int64_t width, const Eva02BlockOptions& options, RandomKey key);
  Variable operator()(const Variable& x, const RotaryTable& rotation,
                      const Context& context);  // [n, l, width], the same
  void Fields(FieldVisitor& visitor);

  LayerNorm norm1;
  MultiHeadAttention attention;
  LayerNorm norm2;
  Linear gate, value;
  LayerNorm inner_norm;
  Linear output;
  DropPath drop_path;
};

}  // namespace nn
