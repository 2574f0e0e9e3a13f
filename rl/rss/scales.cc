#include "rl/rss/scales.h"

#include <algorithm>
#include <functional>

#include "autograd/core/dims.h"
#include "autograd/ops/pooling.h"
#include "autograd/ops/resize.h"
#include "rl/rss/scales_kernels.h"

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
  if (dims["h"] == grid_height && dims["w"] == grid_width) return valid;
  Array cells = Array::Empty({dims["b"], grid_height, grid_width}, autograd::kUInt8);
  kernels::ValidCells(autograd::Stream::Current(), valid, cells);
  return cells;
}

}  // namespace rl
