#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace autograd {

// The top left pixel of a window in image `image` of a batch.
struct WindowPlace {
  int64_t image = 0, top = 0, left = 0;
};

// The rows and columns that windows reach, with the rows of all images counted through: image · H + row.
struct WindowBounds {
  int64_t first_row, last_row, first_column, last_column;
};
inline WindowBounds BoundsOf(std::span<const WindowPlace> places, int64_t height, int64_t width, int64_t image_rows) {
  WindowBounds bounds{INT64_MAX, 0, INT64_MAX, 0};
  for (const WindowPlace& place : places) {
    const int64_t row = place.image * image_rows + place.top;
    bounds.first_row = std::min(bounds.first_row, row);
    bounds.last_row = std::max(bounds.last_row, row + height);
    bounds.first_column = std::min(bounds.first_column, place.left);
    bounds.last_column = std::max(bounds.last_column, place.left + width);
  }
  return bounds;
}

}  // namespace autograd
