#pragma once

// Where the means of local POD stand, and what they are of, for the kernels of both backends.

#include <cstdint>

#include "autograd/runtime/host_device.h"

namespace seg {

// a² − b², which does not cancel where the two are close.
template <typename T>
HOST_DEVICE T DifferenceOfSquares(T a, T b) {
  return (a - b) * (a + b);
}

// The scales of a pyramid; trivially copyable.
struct PodScales {
  static constexpr int kMost = 4;
  int count = 0;
  int scale[kMost] = {};
};

// The cells of one scale: scale x scale of them, each cell_height x cell_width pixels. What is left over at the bottom
// and at the right belongs to none.
struct PodLevel {
  int64_t scale = 0, cell_height = 0, cell_width = 0;
  int64_t first = 0;  // of the level's means among all of a channel

  HOST_DEVICE int64_t CellMeans() const { return cell_height + cell_width; }
  HOST_DEVICE int64_t Means() const { return scale * scale * CellMeans(); }
  // Of cell (i, j): the mean of its row r over the width, and of its column q over the height.
  HOST_DEVICE int64_t Row(int64_t i, int64_t j, int64_t r) const { return first + (i * scale + j) * CellMeans() + r; }
  HOST_DEVICE int64_t Column(int64_t i, int64_t j, int64_t q) const { return Row(i, j, cell_height + q); }
};

struct PodGeometry {
  PodGeometry(const PodScales& scales, int64_t height, int64_t width) : count(scales.count) {
    for (int s = 0; s < count; ++s) {
      const int64_t scale = scales.scale[s];
      level[s] = {scale, height / scale, width / scale, means};
      means += level[s].Means();
    }
  }
  int count;
  PodLevel level[PodScales::kMost];
  int64_t means = 0;  // of a channel
};

}  // namespace seg
