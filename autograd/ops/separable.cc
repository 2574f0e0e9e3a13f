#include "autograd/ops/separable.h"

#include "autograd/core/dims.h"
#include "autograd/ops/separable_kernels.h"

namespace autograd {

Variable Separable(const char* operation, const Variable& x, int64_t height, int64_t width, const AxisFilter& rows,
                   const AxisFilter& columns) {
  Dims dims(operation);
  dims.Match(x, "x: n h w c").Floating(x.array());
  const Shape shape = x.shape();
  Require(height >= 1 && width >= 1, operation, "needs at least one row and column, not ", height, " x ", width);
  Require(shape[1] >= 1 && shape[2] >= 1, operation, "x ", shape, " has no pixels");

  Array y = Array::Empty({shape[0], height, width, shape[3]}, x.dtype());
  kernels::SeparableForward(Stream::Current(), x.array(), rows, columns, y);

  return Record(operation, y, {x}, Saved{}, [shape, rows, columns](const Saved&, const Array& dy, Wanted) {
    Array dx = Array::Empty(shape, dy.dtype());
    kernels::SeparableGradient(Stream::Current(), dy, rows, columns, dx);
    return Gradients{dx};
  });
}

}  // namespace autograd
