#pragma once

#include "nn/layers/linear.h"

namespace nn {

struct SelfAttentionOptions {
  int64_t key_width = 64;
  bool scale = false;                 // divide the scores by √key_width
  bool shared_initial_values = true;  // query and key begin with one kernel, and are two parameters all the same
};

// softmax(query(x)·key(x)ᵀ)·value(x) over all pixels of an image, as in iSeg's SelfAttention: 1×1 projections with
// bias, no scale, no projection of the result; the caller adds x. Fields: query, key, value.
struct SelfAttention {
  SelfAttention(int64_t inputs, int64_t outputs, const SelfAttentionOptions& options, RandomKey random);
  Variable operator()(const Variable& x);  // [n, h, w, inputs] → [n, h, w, outputs]
  void Fields(FieldVisitor& visitor);

  Linear query, key, value;
  double scale;
};

}  // namespace nn
