#pragma once

#include <cstdint>

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/random.h"

namespace autograd {

// y uint8 [n, b, h, w] = draws where re-sampled, draws[0] elsewhere. Each cell with probability `rate` …
KERNEL(ResampleCells,
       void(Stream&, const Array& draws, double rate, const RandomKey& key, int64_t first_image, Array& y));
// … or one rectangle of block_height × block_width cells a map, at a place drawn uniformly.
KERNEL(ResampleBlock, void(Stream&, const Array& draws, int64_t block_height, int64_t block_width, const RandomKey& key,
                           int64_t first_image, Array& y));

// The choices of one map, for both backends.
namespace resampling {

// Of a map of an image, where images are counted over the whole batch.
HOST_DEVICE inline uint64_t MapCounter(int64_t map, int64_t image) {
  return static_cast<uint64_t>(map) << 40 | static_cast<uint64_t>(image);
}

// own = key.Split(MapCounter(…)).
HOST_DEVICE inline bool TakesCell(const RandomKey& own, int64_t cell, double rate) {
  return static_cast<double>(UniformFloat(Philox(own, static_cast<uint64_t>(cell)).x)) < rate;
}

struct Corner {
  int64_t top, left;
};
HOST_DEVICE inline Corner BlockCorner(const RandomKey& key, uint64_t counter, int64_t tops, int64_t lefts) {
  const PhiloxWords words = Philox(key, counter);
  return {UniformBelow(words.x, static_cast<uint32_t>(tops)), UniformBelow(words.y, static_cast<uint32_t>(lefts))};
}

}  // namespace resampling
}  // namespace autograd
