#include "autograd/ops/dropout.h"

#include "autograd/core/dims.h"
#include "autograd/ops/dropout_kernels.h"

namespace autograd {
namespace {

Variable DropOp(const char* operation, const Variable& x, int64_t outer, int64_t inner, double rate, bool training,
                RandomKey key) {
  Dims dims(operation);
  dims.Floating(x.array());
  Require(rate >= 0 && rate < 1, operation, "rate ", rate, " is not in [0, 1)");
  if (!training || rate == 0 || x.size() == 0) return x;

  const int64_t repeated = x.size() / (outer * inner);
  Array y = EmptyLike(x.array());
  kernels::DropUnits(Stream::Current(), x.array(), outer, repeated, inner, rate, key, y);

  return Record(operation, y, {x}, Saved{}, [outer, repeated, inner, rate, key](const Saved&, const Array& dy, Wanted) {
    Array dx = EmptyLike(dy);
    kernels::DropUnits(Stream::Current(), dy, outer, repeated, inner, rate, key, dx);
    return Gradients{dx};
  });
}

}  // namespace

Variable Dropout(const Variable& x, double rate, bool training, RandomKey key) {
  return DropOp("Dropout", x, 1, x.size(), rate, training, key);
}

Variable Dropout2d(const Variable& x, double rate, bool training, RandomKey key) {
  Require(x.rank() >= 2, "Dropout2d", "x has shape ", x.shape(), " but must be [ n ... c ]");
  return DropOp("Dropout2d", x, x.shape()[0], x.shape()[-1], rate, training, key);
}

Variable DropPath(const Variable& x, double rate, bool training, RandomKey key) {
  Require(x.rank() >= 1, "DropPath", "x has shape ", x.shape(), " but must be [ n ... ]");
  return DropOp("DropPath", x, x.shape()[0], 1, rate, training, key);
}

}  // namespace autograd
