#pragma once

// Which pixels lie on a boundary and which lie near one, and what their numbers are worth: for the kernels of both
// backends.

#include <cstdint>

#include "autograd/runtime/host_device.h"
#include "seg/metrics/class_counts.h"

namespace seg {

// In place of a class, where a pixel is on no boundary. No class is 255.
inline constexpr uint8_t kNoBoundary = 255;

// Whether two neighbours belong to different classes. Bytes and no branches, so that compilers make vectors of it.
HOST_DEVICE inline uint8_t Parts(uint8_t map, uint8_t map_of_neighbour, uint8_t truth_of_neighbour, uint8_t classes) {
  return static_cast<uint8_t>(static_cast<uint8_t>(map != map_of_neighbour) &
                              static_cast<uint8_t>(truth_of_neighbour < classes));
}

// All pixels whose squared distance to a pixel is at most `limit`.
struct Disc {
  int32_t limit, reach;  // reach: ⌊√limit⌋

  // Whether in_row(y, first, last) for one of the runs of columns that make up the disc about (row, column), as far as
  // it lies in the image; the nearest rows come first.
  template <typename InRow>
  HOST_DEVICE bool Any(int32_t row, int32_t column, int32_t height, int32_t width, const InRow& in_row) const {
    int32_t half = reach;
    for (int32_t away = 0; away <= reach; ++away) {
      while (half * half + away * away > limit) --half;
      const int32_t first = column > half ? column - half : 0;
      const int32_t last = half < width - 1 - column ? column + half : width - 1;
      if (row >= away && in_row(row - away, first, last)) return true;
      if (away > 0 && row + away < height && in_row(row + away, first, last)) return true;
    }
    return false;
  }
};

// Boundary pixels of one class: all, and those near one of the other map.
struct BoundaryCounts {
  int32_t predicted = 0, predicted_near = 0, truth = 0, truth_near = 0;

  HOST_DEVICE bool In(ClassSet set) const {
    return set == ClassSet::kAll || truth > 0 || (set == ClassSet::kUnion && predicted > 0);
  }
  HOST_DEVICE double F() const {
    if (predicted_near == 0 || truth_near == 0) return 0;
    const double precision = Ratio(predicted_near, predicted), recall = Ratio(truth_near, truth);
    return 2 * precision * recall / (precision + recall);
  }
};

}  // namespace seg
