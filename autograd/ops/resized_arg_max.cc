#include "autograd/ops/resized_arg_max.h"

#include "autograd/core/dims.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/resized_arg_max_kernels.h"

namespace autograd {

Array ResizedArgMax(const Array& logits, int64_t height, int64_t width, DType dtype) {
  Dims dims("ResizedArgMax");
  dims.Match(logits, "logits: n h w k").Floating(logits);
  Require(dims["h"] >= 1 && dims["w"] >= 1 && dims["k"] >= 1, dims.operation(), "logits ", logits.shape(),
          " have nothing to choose from");
  Require(height >= 0 && width >= 0, dims.operation(), "the size ", height, " x ", width, " is negative");
  Require(!IsFloating(dtype), dims.operation(), "result must be int32, int64 or uint8, not ", dtype);
  Require(dtype != kUInt8 || dims["k"] <= 256, dims.operation(), "logits ", logits.shape(),
          " have more than 256 classes for uint8");
  if (height == dims["h"] && width == dims["w"]) return ArgMax(logits, dtype);
  Array y = Array::Empty({dims["n"], height, width}, dtype);
  if (y.size() > 0) kernels::ResizedArgMax(Stream::Current(), logits, y);
  return y;
}

}  // namespace autograd
