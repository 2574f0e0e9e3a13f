#include <algorithm>
#include <cstring>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "seg/metrics/require_labels.h"
#include "seg/rewards/boundary_f_kernels.h"

namespace seg::cpu {
namespace {

using autograd::Array;
using autograd::Stream;

// One row of a map, whose neighbours lie `above` and `below` bytes away in map and truth. A function by itself, so that
// bytes that are stored cannot be the numbers of the loop, and it becomes vectors.
void MarkRow(const uint8_t* map, const uint8_t* truth, int64_t above, int64_t below, int64_t width, uint8_t classes,
             uint8_t* boundaries) {
  const uint8_t *const map_above = map + above, *const truth_above = truth + above;
  const uint8_t *const map_below = map + below, *const truth_below = truth + below;
  const auto mark = [=](int64_t x, int64_t left, int64_t right) {
    const uint8_t own = map[x];
    const uint8_t parts =
        Parts(own, map[x + left], truth[x + left], classes) | Parts(own, map[x + right], truth[x + right], classes) |
        Parts(own, map_above[x], truth_above[x], classes) | Parts(own, map_below[x], truth_below[x], classes);
    const uint8_t counts = parts & static_cast<uint8_t>(truth[x] < classes) & static_cast<uint8_t>(own < classes);
    boundaries[x] = counts != 0 ? own : kNoBoundary;
  };
  // A neighbour outside the image is the pixel itself, from which it does not differ.
  mark(0, 0, width > 1 ? 1 : 0);
  for (int64_t x = 1; x + 1 < width; ++x) mark(x, -1, 1);
  if (width > 1) mark(width - 1, -1, 0);
}

}  // namespace

void MarkBoundaries(Stream&, const Array& maps, const Array& labels, int classes, Array& boundaries) {
  const int64_t images = labels.shape()[0], height = labels.shape()[1], width = labels.shape()[2];
  if (maps.size() == 0) return;
  const uint8_t* const label = labels.data<uint8_t>();
  RequireLabels("BoundaryF", labels, classes);
  const int64_t rows = maps.shape()[0] * images * height;
  autograd::ParallelFor(rows, std::max<int64_t>(1, (1 << 15) / width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t y = row % height;
      MarkRow(maps.data<uint8_t>() + row * width, label + row % (images * height) * width, y > 0 ? -width : 0,
              y + 1 < height ? width : 0, width, static_cast<uint8_t>(classes),
              boundaries.data<uint8_t>() + row * width);
    }
  });
}

void BoundaryF(Stream&, const Array& maps, const Array& truth, int classes, const Disc& disc, ClassSet set,
               Array& scores) {
  const int64_t images = maps.shape()[1], pixels = maps.shape()[2] * maps.shape()[3];
  const auto height = static_cast<int32_t>(maps.shape()[2]), width = static_cast<int32_t>(maps.shape()[3]);
  autograd::ParallelPieces(scores.size(), [&](int64_t index) {
    const uint8_t* const predicted = maps.data<uint8_t>() + index * pixels;
    const uint8_t* const right = truth.data<uint8_t>() + index % images * pixels;
    std::vector<BoundaryCounts> counts(classes);
    // Calls found(class, whether `other` has a boundary pixel of that class near) for the boundary pixels of `map`.
    const auto look = [&](const uint8_t* map, const uint8_t* other, const auto& found) {
      for (int32_t y = 0; y < height; ++y) {
        for (int32_t x = 0; x < width; ++x) {
          const uint8_t k = map[int64_t{y} * width + x];
          if (k == kNoBoundary) continue;
          found(k, disc.Any(y, x, height, width, [&](int32_t row, int32_t first, int32_t last) {
            return std::memchr(other + int64_t{row} * width + first, k, last - first + 1) != nullptr;
          }));
        }
      }
    };
    look(predicted, right, [&](uint8_t k, bool near) {
      ++counts[k].predicted;
      counts[k].predicted_near += near ? 1 : 0;
    });
    look(right, predicted, [&](uint8_t k, bool near) {
      ++counts[k].truth;
      counts[k].truth_near += near ? 1 : 0;
    });
    ScoreSum sum;
    for (const BoundaryCounts& of_class : counts) {
      if (of_class.In(set)) sum.Add(of_class.F());
    }
    scores.data<float>()[index] = static_cast<float>(sum.counted > 0 ? sum.Mean() : 0.0);
  });
}

}  // namespace seg::cpu
