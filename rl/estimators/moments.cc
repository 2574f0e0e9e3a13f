#include "rl/estimators/moments.h"

#include <vector>

#include "autograd/core/dims.h"
#include "rl/estimators/moments_kernels.h"

namespace rl {

using autograd::Array;

Moments MomentsOf(const Array& values, const Array& valid, Entries entries, autograd::Collective* collective) {
  autograd::Dims dims("MomentsOf");
  dims.Is(values, autograd::kFloat32, "values");
  autograd::Require(values.rank() >= 2, dims.operation(), "values are [n, b, ..], not ", values.shape());
  if (valid.defined()) {
    dims.Is(valid, autograd::kUInt8, "valid");
    autograd::Require(valid.shape() == autograd::Shape(values.shape().begin() + 1, values.rank() - 1), dims.operation(),
                      "valid ", valid.shape(), " for values ", values.shape());
  }

  Array sums = Array::Empty({values.shape()[1], 3}, autograd::kFloat64);
  autograd::kernels::ImageMoments(autograd::Stream::Current(), values, valid, entries == Entries::kNonZero, sums);
  std::vector<double> images = sums.ToVector<double>();
  if (collective != nullptr) images = GatherInRankOrder(*collective, images);

  Moments moments;
  for (size_t i = 0; i < images.size(); i += 3) {
    moments.count += images[i];
    moments.sum += images[i + 1];
    moments.sum_of_squares += images[i + 2];
  }
  return moments;
}

}  // namespace rl
