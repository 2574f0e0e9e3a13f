#include "rl/estimators/moments.h"

#include <vector>

#include "autograd/core/dims.h"
#include "rl/estimators/moments_kernels.h"

namespace rl {

using autograd::Array;

Array MomentsOf(const Array& values, const Array& valid, Entries entries, autograd::Collective* collective) {
  autograd::Dims dims("MomentsOf");
  dims.Is(values, autograd::kFloat32, "values");
  autograd::Require(values.rank() >= 2, dims.operation(), "values are [n, b, ..], not ", values.shape());
  if (valid.defined()) {
    dims.Is(valid, autograd::kUInt8, "valid");
    autograd::Require(valid.shape() == autograd::Shape(values.shape().begin() + 1, values.rank() - 1), dims.operation(),
                      "valid ", valid.shape(), " for values ", values.shape());
  }

  autograd::Stream& stream = autograd::Stream::Current();
  Array images = Array::Empty({values.shape()[1], 3}, autograd::kFloat64);
  kernels::ImageMoments(stream, values, valid, entries == Entries::kNonZero, images);
  if (collective != nullptr && collective->world_size() > 1) {
    const std::vector<double> all = GatherInRankOrder(*collective, images.ToVector<double>());
    images = Array::From({static_cast<int64_t>(all.size()) / 3, 3}, all);
  }
  Array moments = Array::Empty({3}, autograd::kFloat64);
  kernels::AddImageMoments(stream, images, moments);
  return moments;
}

Array CountPerRank(const Array& moments, autograd::Collective* collective) {
  if (collective == nullptr || collective->world_size() == 1) return moments.Slice(0, 1);
  return Array::Full({1}, autograd::kFloat64, ReadMoments(moments).count / collective->world_size());
}

Moments ReadMoments(const Array& moments) {
  const std::vector<double> numbers = moments.ToVector<double>();
  return {numbers.at(0), numbers.at(1), numbers.at(2)};
}

}  // namespace rl
