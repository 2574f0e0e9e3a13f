#include "rl/estimators/masked_mean.h"

#include "autograd/core/dims.h"
#include "rl/estimators/masked_mean_kernels.h"

namespace rl {

using autograd::Array;
using autograd::Require;
using autograd::Shape;
using autograd::Stream;
using autograd::Variable;

Array ValidPerRank(const Array& valid, const Shape& shape, autograd::Collective* collective) {
  autograd::Dims dims("ValidPerRank");
  Array count;
  if (valid.defined()) {
    dims.Is(valid, autograd::kUInt8, "valid");
    Require(valid.shape() == shape, dims.operation(), "valid ", valid.shape(), " for positions ", shape);
    count = Array::Empty({1}, autograd::kFloat64);
    kernels::CountValid(Stream::Current(), valid, count);
  } else {
    count = Array::Full({1}, autograd::kFloat64, static_cast<double>(shape.size()));
  }
  if (collective == nullptr || collective->world_size() == 1) return count;
  double total[1] = {count.Item()};
  collective->AllReduceSum(total);
  return Array::Full({1}, autograd::kFloat64, total[0] / collective->world_size());
}

Variable MaskedMean(const Variable& x, const Array& valid, const Array& count) {
  autograd::Dims dims("MaskedMean");
  dims.Floating(x.array()).Is(count, autograd::kFloat64, "count");
  Require(count.size() == 1, dims.operation(), "count is ", count.shape());
  if (valid.defined()) {
    dims.Is(valid, autograd::kUInt8, "valid");
    const int samples = x.rank() - valid.rank();
    Require((samples == 0 || samples == 1) && Shape(x.shape().begin() + samples, valid.rank()) == valid.shape(),
            dims.operation(), "valid ", valid.shape(), " for x ", x.shape());
  }

  const bool wide = x.dtype() == autograd::kFloat64;
  Array y = Array::Empty({}, wide ? autograd::kFloat64 : autograd::kFloat32);
  kernels::MaskedMean(Stream::Current(), x.array(), valid, count, y);

  return Record(
      dims.operation(), y, {x}, autograd::Saved{valid, count},
      [shape = x.shape(), dtype = x.dtype()](const autograd::Saved& saved, const Array& dy, autograd::Wanted) {
        Array dx = Array::Empty(shape, dtype);
        kernels::MaskedMeanGradient(Stream::Current(), dy, saved[0], saved[1], dx);
        return autograd::Gradients{dx};
      });
}

Variable MaskedMean(const Variable& x, const Array& valid, autograd::Collective* collective) {
  return MaskedMean(x, valid, ValidPerRank(valid, valid.defined() ? valid.shape() : x.shape(), collective));
}

}  // namespace rl
