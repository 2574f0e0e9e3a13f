#include <algorithm>

#include "autograd/runtime/parallel.h"
#include "rl/rss/counterfactual_kernels.h"

namespace rl::cpu {

using autograd::Array;
using autograd::ParallelFor;
using autograd::RandomKey;
using autograd::Stream;

namespace {

// Calls body(counter, base, draw, out) for every map of every image, where counter holds the map above bit 40 and the
// image below.
template <typename Body>
void ForEachMap(const Array& draws, int64_t first_image, Array& y, const Body& body) {
  const int64_t maps = draws.shape()[0], images = draws.shape()[1], cells = draws.shape()[2] * draws.shape()[3];
  const uint8_t* in = draws.data<uint8_t>();
  uint8_t* out = y.data<uint8_t>();
  ParallelFor(maps * images, std::max<int64_t>(1, (1 << 12) / std::max<int64_t>(1, cells)),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                  const int64_t map = i / images, image = i % images;
                  const uint64_t counter = resampling::MapCounter(map, first_image + image);
                  const uint8_t* base = in + image * cells;
                  std::copy(base, base + cells, out + i * cells);
                  if (map > 0) body(counter, in + i * cells, out + i * cells);
                }
              });
}

}  // namespace

void ResampleCells(Stream&, const Array& draws, double rate, const RandomKey& key, int64_t first_image, Array& y) {
  const int64_t cells = draws.shape()[2] * draws.shape()[3];
  const RandomKey now = key.Now();
  ForEachMap(draws, first_image, y, [&](uint64_t counter, const uint8_t* draw, uint8_t* out) {
    const RandomKey own = now.Split(counter);
    for (int64_t i = 0; i < cells; ++i) {
      if (resampling::TakesCell(own, i, rate)) out[i] = draw[i];
    }
  });
}

void ResampleBlock(Stream&, const Array& draws, int64_t block_height, int64_t block_width, const RandomKey& key,
                   int64_t first_image, Array& y) {
  const int64_t height = draws.shape()[2], width = draws.shape()[3];
  const RandomKey now = key.Now();
  ForEachMap(draws, first_image, y, [&](uint64_t counter, const uint8_t* draw, uint8_t* out) {
    const auto [top, left] = resampling::BlockCorner(now, counter, height - block_height + 1, width - block_width + 1);
    for (int64_t row = top; row < top + block_height; ++row) {
      std::copy(draw + row * width + left, draw + row * width + left + block_width, out + row * width + left);
    }
  });
}

}  // namespace rl::cpu
