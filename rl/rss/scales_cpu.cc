#include <algorithm>

#include "rl/rss/scales_kernels.h"

namespace rl::cpu {

using autograd::Array;
using autograd::Stream;

void ValidCells(Stream&, const Array& valid, Array& cells) {
  const int64_t images = valid.shape()[0], height = valid.shape()[1], width = valid.shape()[2];
  const int64_t grid_height = cells.shape()[1], grid_width = cells.shape()[2];
  std::fill_n(cells.data<uint8_t>(), cells.size(), uint8_t{0});
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t y = 0; y < height; ++y) {
      const uint8_t* row = valid.data<uint8_t>() + (image * height + y) * width;
      uint8_t* out = cells.data<uint8_t>() + (image * grid_height + y * grid_height / height) * grid_width;
      for (int64_t x = 0; x < width; ++x) {
        if (row[x] != 0) out[x * grid_width / width] = 1;
      }
    }
  }
}

}  // namespace rl::cpu
