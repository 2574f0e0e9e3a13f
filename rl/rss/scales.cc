#include "rl/rss/scales.h"

#include <algorithm>
#include <functional>

#include "autograd/core/dims.h"
#include "autograd/ops/pooling.h"
#include "autograd/ops/resize.h"

namespace rl {

using autograd::Array;
using autograd::Variable;

std::vector<RewardScale> DefaultScales() { return AllAtOnce({64, 32, 16, 8, 4}); }

std::vector<RewardScale> AllAtOnce(const std::vector<int64_t>& strides) {
  std::vector<RewardScale> scales;
  for (int64_t stride : strides) scales.push_back({stride});
  return scales;
}

std::vector<RewardScale> CoarseToFine(std::vector<int64_t> strides, double last_begin) {
  std::sort(strides.begin(), strides.end(), std::greater<>());
  std::vector<RewardScale> scales;
  for (size_t i = 0; i < strides.size(); ++i) {
    const double begin = i == 0 ? 0 : last_begin * static_cast<double>(i) / static_cast<double>(strides.size() - 1);
    scales.push_back({strides[i], 1, begin, 1});
  }
  return scales;
}

Variable OnGrid(const Variable& logits, int64_t grid_height, int64_t grid_width) {
  autograd::Dims dims("OnGrid");
  dims.Match(logits, "logits: b h w k");
  const int64_t pooled_height = std::min(dims["h"], grid_height), pooled_width = std::min(dims["w"], grid_width);
  Variable grid = logits;
  if (pooled_height != dims["h"] || pooled_width != dims["w"])
    grid = AdaptiveAveragePool2d(grid, pooled_height, pooled_width);
  if (pooled_height != grid_height || pooled_width != grid_width) grid = ResizeBilinear(grid, grid_height, grid_width);
  return grid;
}

Array ValidCells(const Array& valid, int64_t grid_height, int64_t grid_width) {
  autograd::Dims dims("ValidCells");
  dims.Match(valid, "valid: b h w").Is(valid, autograd::kUInt8, "valid");
  const int64_t images = dims["b"], height = dims["h"], width = dims["w"];
  if (height == grid_height && width == grid_width) return valid;
  const std::vector<uint8_t> pixels = valid.ToVector<uint8_t>();
  std::vector<uint8_t> cells(images * grid_height * grid_width);
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t y = 0; y < height; ++y) {
      const uint8_t* row = pixels.data() + (image * height + y) * width;
      uint8_t* out = cells.data() + (image * grid_height + y * grid_height / height) * grid_width;
      for (int64_t x = 0; x < width; ++x) {
        if (row[x] != 0) out[x * grid_width / width] = 1;
      }
    }
  }
  return Array::From({images, grid_height, grid_width}, cells);
}

}  // namespace rl
