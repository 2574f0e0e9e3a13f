#pragma once

#include <cstdint>

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/random.h"

namespace rl {

// y uint8 [n, b, h, w] = draws where re-sampled, draws[0] elsewhere. Each cell with probability `rate` …
KERNEL(ResampleCells, void(autograd::Stream&, const autograd::Array& draws, double rate, const autograd::RandomKey& key,
                           int64_t first_image, autograd::Array& y));
// … or one rectangle of block_height × block_width cells a map, at a place drawn uniformly.
KERNEL(ResampleBlock, void(autograd::Stream&, const autograd::Array& draws, int64_t block_height, int64_t block_width,
                           const autograd::RandomKey& key, int64_t first_image, autograd::Array& y));

// The choices of one map, for both backends.
namespace resampling {

// Of a map of an image, where images are counted over the whole batch.
HOST_DEVICE inline uint64_t MapCounter(int64_t map, int64_t image) {
  return static_cast<uint64_t>(map) << 40 | static_cast<uint64_t>(image);
}

// own = key.Split(MapCounter(…)).
HOST_DEVICE inline bool TakesCell(const autograd::RandomKey& own, int64_t cell, double rate) {
  return static_cast<double>(autograd::UniformFloat(autograd::Philox(own, static_cast<uint64_t>(cell)).x)) < rate;
}

struct Corner {
  int64_t top, left;
};
HOST_DEVICE inline Corner BlockCorner(const autograd::RandomKey& key, uint64_t counter, int64_t tops, int64_t lefts) {
  const autograd::PhiloxWords words = autograd::Philox(key, counter);
  return {autograd::UniformBelow(words.x, static_cast<uint32_t>(tops)),
          autograd::UniformBelow(words.y, static_cast<uint32_t>(lefts))};
}

}  // namespace resampling
}  // namespace rl
