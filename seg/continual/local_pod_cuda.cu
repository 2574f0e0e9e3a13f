#include "autograd/ops/rows_cuda.h"
#include "seg/continual/local_pod_kernels.h"

namespace seg::cuda {
namespace {

using namespace autograd::cuda;  // NOLINT: what every kernel file shares
using autograd::Array;
using autograd::ComputeType;
using autograd::Stream;

// One thread a mean: neighbours have neighbouring channels.
template <typename T>
__global__ void MeansKernel(const T* map, const T* other, int64_t images, int64_t height, int64_t width,
                            uint32_t channels, PodGeometry geometry, ComputeType<T>* means) {
  using Value = ComputeType<T>;
  ForEachInRows(images * geometry.means, channels, [&](int64_t place, uint32_t c) {
    const int64_t image = Divide(place, geometry.means), mean = place - image * geometry.means;
    int s = 0;
    while (s + 1 < geometry.count && mean >= geometry.level[s + 1].first) ++s;
    const PodLevel level = geometry.level[s];
    const int64_t cell = Divide(mean - level.first, level.CellMeans());
    const int64_t line = mean - level.first - cell * level.CellMeans();
    const int64_t i = Divide(cell, level.scale), j = cell - i * level.scale;
    const bool row = line < level.cell_height;
    const int64_t y = i * level.cell_height + (row ? line : 0);
    const int64_t x = j * level.cell_width + (row ? 0 : line - level.cell_height);
    const int64_t count = row ? level.cell_width : level.cell_height, stride = (row ? 1 : width) * channels;
    int64_t at = ((image * height + y) * width + x) * channels + c;
    Value sum = 0;
    for (int64_t k = 0; k < count; ++k, at += stride)
      sum += DifferenceOfSquares(Load(map + at), other == nullptr ? Value(0) : Load(other + at));
    means[place * channels + c] = sum / static_cast<Value>(count);
  });
}

template <typename T>
__global__ void GradientKernel(const T* map, const ComputeType<T>* means, const ComputeType<T>* distances,
                               const ComputeType<T>* dy, int64_t images, int64_t height, int64_t width,
                               uint32_t channels, PodGeometry geometry, T* dmap) {
  using Value = ComputeType<T>;
  const Value upstream = dy[0] / static_cast<Value>(images);
  ForEachInRows(images * height * width, channels, [&](int64_t pixel, uint32_t c) {
    const int64_t row = Divide(pixel, width), x = pixel - row * width;
    const int64_t image = Divide(row, height), y = row - image * height;
    const Value distance = distances[image];
    const Value factor = distance > Value(0) ? Value(2) * upstream / distance : Value(0);
    const Value* const own = means + image * geometry.means * channels + c;
    Value slope = 0;
    for (int s = 0; s < geometry.count; ++s) {
      const PodLevel level = geometry.level[s];
      const int64_t i = Divide(y, level.cell_height), j = Divide(x, level.cell_width);
      if (i >= level.scale || j >= level.scale) continue;
      const Value of_row = Value(1) / static_cast<Value>(level.cell_width);
      const Value of_column = Value(1) / static_cast<Value>(level.cell_height);
      slope += of_row * own[level.Row(i, j, y - i * level.cell_height) * channels] +
               of_column * own[level.Column(i, j, x - j * level.cell_width) * channels];
    }
    const int64_t at = pixel * channels + c;
    dmap[at] = static_cast<T>(factor * slope * Load(map + at));
  });
}

}  // namespace

void LocalPodMeans(Stream& stream, const Array& map, const Array& other, const PodScales& scales, Array& means) {
  if (means.size() == 0) return;
  const int64_t images = map.shape()[0], height = map.shape()[1], width = map.shape()[2], channels = map.shape()[3];
  const PodGeometry geometry(scales, height, width);
  autograd::VisitFloating("LocalPodMeans", map.dtype(), [&]<typename T>(T) {
    const RowLaunch launch = LaunchOfRows("LocalPodMeans", images * geometry.means, channels);
    Launch("LocalPodMeans", stream, launch.grid, launch.block, MeansKernel<T>, map.data<T>(),
           other.defined() ? other.data<T>() : nullptr, images, height, width, channels, geometry,
           means.data<ComputeType<T>>());
  });
}

void LocalPodGradient(Stream& stream, const Array& map, const Array& means, const Array& distances, const Array& dy,
                      const PodScales& scales, Array& dmap) {
  if (map.size() == 0) return;
  const int64_t images = map.shape()[0], height = map.shape()[1], width = map.shape()[2], channels = map.shape()[3];
  const PodGeometry geometry(scales, height, width);
  autograd::VisitFloating("LocalPodGradient", map.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const RowLaunch launch = LaunchOfRows("LocalPodGradient", images * height * width, channels);
    Launch("LocalPodGradient", stream, launch.grid, launch.block, GradientKernel<T>, map.data<T>(), means.data<Value>(),
           distances.data<Value>(), dy.data<Value>(), images, height, width, channels, geometry, dmap.data<T>());
  });
}

}  // namespace seg::cuda
