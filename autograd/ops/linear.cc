#include "autograd/ops/linear.h"

#include "autograd/core/dims.h"
#include "autograd/ops/elementwise_kernels.h"
#include "autograd/ops/linear_kernels.h"
#include "autograd/ops/matmul_kernels.h"
#include "autograd/ops/reduce_kernels.h"

namespace autograd {
namespace {

// d(before the activation); `kept` is y for Relu and the value before the activation for Gelu.
Array BeforeActivation(Activation activation, const Array& kept, const Array& dy) {
  if (activation == Activation::kNone) return dy;
  Array gradient = EmptyLike(dy);
  kernels::UnaryGradient(Stream::Current(),
                         activation == Activation::kRelu ? UnaryFunction::kRelu : UnaryFunction::kGelu, 0, 0, kept, dy,
                         gradient);
  return gradient;
}

}  // namespace

Variable Linear(const Variable& x, const Variable& weight, const Variable& bias, Activation activation,
                WeightLayouts* layouts) {
  Dims dims("Linear");
  dims.Match(x, "x: ... k").Match(weight, "weight: o k").SameType(x, weight).Floating(x.array());
  if (bias.defined()) dims.Match(bias, "bias: o").SameType(x, bias);
  const int64_t rows = dims.Leading(), inputs = dims["k"], outputs = dims["o"];
  Shape shape = x.shape();
  shape.Set(-1, outputs);

  Array y = Array::Empty(shape, x.dtype()), before_activation;
  const bool recorded = WillRecord({x, weight, bias});
  Require(!recorded || layouts == nullptr, dims.operation(), "a weight that is trained has no layouts to keep");
  if (activation == Activation::kGelu && recorded) before_activation = EmptyLike(y);
  kernels::LinearForward(Stream::Current(), x.array(), weight.array(), bias.array(), activation, layouts,
                         before_activation, y);

  const Array kept = activation == Activation::kRelu ? y : before_activation;
  return Record("Linear", y, {x, weight, bias}, Saved{x.array(), weight.array(), kept},
                [rows, inputs, outputs, activation](const Saved& saved, const Array& upstream, Wanted wanted) {
                  const Array dy = BeforeActivation(activation, saved[2], upstream);
                  Gradients gradients(3);
                  if (wanted[0]) {
                    gradients[0] = EmptyLike(saved[0]);
                    kernels::MatMul(Stream::Current(), {1, rows, inputs, outputs, false, false, false}, dy, saved[1],
                                    gradients[0]);
                  }
                  if (wanted[1]) gradients[1] = EmptyLike(saved[1]);
                  if (wanted[2]) gradients[2] = Array::Empty({outputs}, dy.dtype());
                  if (wanted[1] && wanted[2]) {
                    kernels::LinearParameterGradient(Stream::Current(), saved[0], dy, gradients[1], gradients[2]);
                  } else if (wanted[1]) {
                    kernels::MatMul(Stream::Current(), {1, outputs, inputs, rows, true, false, false}, dy, saved[0],
                                    gradients[1]);
                  } else if (wanted[2]) {
                    kernels::SumMiddle(Stream::Current(), dy, 1, rows, outputs, 1.0, gradients[2]);
                  }
                  return gradients;
                });
}

}  // namespace autograd
