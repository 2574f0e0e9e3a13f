#include "autograd/ops/standard_normal.h"

#include "autograd/core/dims.h"
#include "autograd/ops/standard_normal_kernels.h"

namespace autograd {

Array StandardNormal(const Shape& shape, DType dtype, const RandomKey& key, int64_t first_sample) {
  OperationScope scope("StandardNormal");
  Require(IsFloating(dtype), "StandardNormal", "of a floating dtype only, not ", dtype);
  Require(first_sample >= 0, "StandardNormal", "first_sample is ", first_sample);
  Array y = Array::Empty(shape, dtype);
  const int64_t samples = shape.rank() > 0 ? shape[0] : 1;
  kernels::StandardNormal(Stream::Current(), key, samples > 0 ? first_sample * (shape.size() / samples) : 0, y);
  return y;
}

}  // namespace autograd
