#include "autograd/ops/sliding_windows.h"

#include "autograd/core/dims.h"
#include "autograd/ops/sliding_windows_kernels.h"

namespace autograd {

void AddWindows(const Array& scores, const std::vector<WindowPlace>& places, int64_t height, int64_t width, Array& sums,
                Array& coverage) {
  Dims dims("AddWindows");
  dims.Match(scores, "scores: windows h w k").Match(sums, "sums: n rows columns k");
  dims.Match(coverage, "coverage: n rows columns").Floating(scores).SameType(scores, sums);
  dims.Is(coverage, kInt32, "coverage");
  Require(static_cast<int64_t>(places.size()) == dims["windows"], dims.operation(), places.size(),
          " places for scores ", scores.shape());
  Require(dims["k"] >= 1, dims.operation(), "scores ", scores.shape(), " have no channels");
  Require(height >= 0 && height <= dims["h"] && width >= 0 && width <= dims["w"], dims.operation(), "windows of ",
          height, " x ", width, " in scores ", scores.shape());
  for (const WindowPlace& place : places) {
    Require(place.image >= 0 && place.image < dims["n"] && place.top >= 0 && place.top + height <= dims["rows"] &&
                place.left >= 0 && place.left + width <= dims["columns"],
            dims.operation(), "a window of ", height, " x ", width, " at row ", place.top, " and column ", place.left,
            " of image ", place.image, " is not inside sums ", sums.shape());
  }
  if (places.empty() || height == 0 || width == 0) return;
  kernels::AddWindows(Stream::Current(), scores, places, height, width, sums, coverage);
}

void DivideByCoverage(const Array& coverage, Array& sums) {
  Dims dims("DivideByCoverage");
  dims.Match(sums, "sums: n h w k").Match(coverage, "coverage: n h w").Floating(sums);
  dims.Is(coverage, kInt32, "coverage");
  kernels::DivideByCoverage(Stream::Current(), coverage, sums);
}

}  // namespace autograd
