#pragma once

// Attention's operands as matrices, for every backend.

#include <cstdint>

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"

namespace autograd {

// [n, tokens, heads, width] seen as one matrix [tokens, width] for each image and head; or no array.
template <typename T>
struct HeadMatrices {
  T* data = nullptr;
  int64_t tokens = 0, heads = 1, width = 0;

  HOST_DEVICE int64_t stride() const { return heads * width; }
  // Row `token` of matrix `index` = image·heads + head.
  HOST_DEVICE T* at(int64_t index, int64_t token) const {
    return data + ((index / heads * tokens + token) * heads + index % heads) * width;
  }
};

template <typename T>
HeadMatrices<const T> Matrices(const Array& x) {
  return {x.data<T>(), x.shape()[1], x.shape()[2], x.shape()[3]};
}
template <typename T>
HeadMatrices<T> MutableMatrices(Array& x) {
  if (!x.defined()) return {};
  return {x.data<T>(), x.shape()[1], x.shape()[2], x.shape()[3]};
}

}  // namespace autograd
