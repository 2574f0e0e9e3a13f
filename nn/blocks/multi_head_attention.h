#pragma once

// Multi-head attention (A. Vaswani et al., "Attention is all you need", 2017, section 3.2.2): of tokens to themselves,
// as in an encoder, or to others, as in a decoder. Named as in timm.

#include <array>
#include <optional>

#include "nn/context.h"
#include "nn/layers/dropout.h"
#include "nn/layers/linear.h"

namespace nn {

// What turns queries and keys (autograd/ops/rotary_embedding.h): float32 [l, head width / 2].
struct RotaryTable {
  Array cosine, sine;
};

struct MultiHeadAttentionOptions {
  int64_t heads = 1;
  // One matrix "qkv" whose rows are those of the query, the key and the value; or three, "q_proj", "k_proj" and
  // "v_proj".
  bool fused = true;
  bool key_bias = true;  // without it only in the three-matrix form
  // Channels of what the keys and the values are computed from; 0: width. Another width only in the three-matrix form.
  int64_t key_width = 0;
  int64_t value_width = 0;
  // Of the projected result. The probabilities themselves are never dropped: the fused attention does not store them.
  double dropout = 0;
  double output_deviation = 0.02;  // of the first values of "proj"; 0.02 in all other matrices
};

// proj(concatenated heads of softmax(q·kᵀ/√d)·v). Fields: qkv, or q_proj, k_proj and v_proj; proj.
//
// Files of torch.nn.MultiheadAttention whose inputs have one width hold the fused form: in_proj_weight, in_proj_bias
// and out_proj are qkv.weight, qkv.bias and proj (RenamePrefixes in nn/checkpoints/weights.h).
struct MultiHeadAttention {
  // `heads` divides `width`.
  MultiHeadAttention(int64_t width, const MultiHeadAttentionOptions& options, RandomKey random);
  // Self-attention: [n, l, width], the same. With `rotation`, queries and keys are turned.
  Variable operator()(const Variable& x, const Context& context, const RotaryTable* rotation = nullptr);
  // Cross-attention: each token of `queries` [n, lq, width] to all of its image in `keys` [n, lk, key_width], whose
  // contents are `values` [n, lk, value_width] (often the same tokens) -> [n, lq, width].
  Variable operator()(const Variable& queries, const Variable& keys, const Variable& values, const Context& context);
  void Fields(FieldVisitor& visitor);

  // What both calls do: inputs of the queries, the keys and the values, whose shapes have been checked.
  Variable Attend(const std::array<const Variable*, 3>& inputs, const Context& context, const RotaryTable* rotation);

  std::optional<Linear> qkv;
  std::optional<Linear> query, key, value;
  Linear proj;
  int64_t heads;
  Dropout dropout;
};

// While it lives, an attention of one matrix names three, whose values are the parts of the one: for loading files of
// the other form. The Parameters of the one come back with the values.
class SplitProjections {
 public:
  explicit SplitProjections(MultiHeadAttention& attention);
  ~SplitProjections();
  SplitProjections(const SplitProjections&) = delete;
  SplitProjections& operator=(const SplitProjections&) = delete;

 private:
  MultiHeadAttention& attention_;
  Linear fused_;
};

}  // namespace nn
