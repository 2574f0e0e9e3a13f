#pragma once

// Scaled dot-product attention (A. Vaswani et al., "Attention is all you need", 2017, equation 1), in tiles
// with a running softmax (T. Dao et al., "FlashAttention", 2022): the scores of all pairs are never stored.
// For the gradient it saves q, k, v, the result and one number a row, log Σ exp(scores).
//
// The layout is token-major, so that tokens [n, l, heads·d] become heads by Reshape alone, without moving
// anything:
//   Reshape(tokens, {n, l, heads, d})  and back  Reshape(result, {n, l, heads·dv}).

#include "autograd/core/tape.h"

namespace autograd {

// softmax(scale·q·kᵀ)·v for each image and head.
//   q [n, l, heads, d], k [n, keys, heads, d], v [n, keys, heads, dv] -> [n, l, heads, dv]
// in one floating dtype.
// `scale` is any number: 1/√d in a transformer, 1 for unscaled attention.
Variable ScaledDotProductAttention(const Variable& q, const Variable& k, const Variable& v, double scale);

// Also writes the softmax itself, [n, heads, l, keys], for looking at: no gradient flows through it.
Variable ScaledDotProductAttention(const Variable& q, const Variable& k, const Variable& v, double scale,
                                   Array* probabilities);

}  // namespace autograd
