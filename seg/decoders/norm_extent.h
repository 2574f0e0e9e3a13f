#pragma once

#include <cstdint>

namespace seg {

// A batch norm of a network, described by what one image brings to it. In training a batch norm needs more than one
// value a channel (autograd/ops/batch_norm.h): images of the batch, over all ranks, times `values` must exceed 1.
struct NormExtent {
  int64_t values = 0;      // of one channel, from one image: the pixels of the map that the norm is given
  const char* place = "";  // the part of the network that holds the norm, for messages, such as "image pooling"
};

}  // namespace seg
