#include "autograd/ops/softmax.h"

#include "autograd/core/dims.h"
#include "autograd/ops/softmax_kernels.h"

namespace autograd {
namespace {

Variable SoftmaxOp(const char* operation, const Variable& x, bool logarithm) {
  Dims dims(operation);
  dims.Match(x, "x: ... k").Floating(x.array());

  Array y = EmptyLike(x.array());
  kernels::SoftmaxForward(Stream::Current(), x.array(), logarithm, y);

  return Record(operation, y, {x}, Saved{y}, [logarithm](const Saved& saved, const Array& dy, Wanted) {
    Array dx = EmptyLike(dy);
    kernels::SoftmaxGradient(Stream::Current(), saved[0], dy, logarithm, dx);
    return Gradients{dx};
  });
}

}  // namespace

Variable Softmax(const Variable& x) { return SoftmaxOp("Softmax", x, false); }
Variable LogSoftmax(const Variable& x) { return SoftmaxOp("LogSoftmax", x, true); }

}  // namespace autograd
