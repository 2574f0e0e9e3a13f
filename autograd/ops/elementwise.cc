#include "autograd/ops/elementwise.h"

#include "autograd/core/dims.h"
#include "autograd/ops/broadcast.h"
#include "autograd/ops/elementwise_kernels.h"
#include "autograd/ops/reduce.h"

namespace autograd {
namespace {

template <typename Functor>
Variable UnaryOp(const char* operation, UnaryFunction function, const Variable& x, double a = 0, double b = 0) {
  Dims dims(operation);
  dims.Floating(x.array());

  Array y = EmptyLike(x.array());
  kernels::Unary(Stream::Current(), function, a, b, x.array(), y);

  Saved saved;
  if (Functor::kSaves == functors::Saves::kInput) saved = Saved{x.array()};
  if (Functor::kSaves == functors::Saves::kOutput) saved = Saved{y};
  return Record(operation, y, {x}, std::move(saved), [function, a, b](const Saved& kept, const Array& dy, Wanted) {
    Array dx = EmptyLike(dy);
    kernels::UnaryGradient(Stream::Current(), function, a, b, kept.size() > 0 ? kept[0] : dy, dy, dx);
    return Gradients{dx};
  });
}

// The derivative's factor is one: dy itself, summed over what was broadcast.
bool PassesGradient(BinaryFunction function, int operand) {
  return function == BinaryFunction::kAdd || (function == BinaryFunction::kSubtract && operand == 0);
}

Array OperandGradient(BinaryFunction function, int operand, const Array& x, const Array& z, const Array& dy,
                      const Shape& shape) {
  if (PassesGradient(function, operand)) return SumTo(dy, shape);
  Array gradient = EmptyLike(dy);
  kernels::BinaryGradient(Stream::Current(), function, operand, x, z, dy, gradient);
  return SumTo(gradient, shape);
}

Variable BinaryOp(const char* operation, BinaryFunction function, const Variable& x, const Variable& z) {
  Dims dims(operation);
  dims.Floating(x.array()).SameType(x, z);
  const Shape shape = BroadcastShape(operation, x.shape(), z.shape());

  Array y = Array::Empty(shape, x.dtype());
  kernels::Binary(Stream::Current(), function, x.array(), z.array(), y);

  const Shape x_shape = x.shape(), z_shape = z.shape();
  const bool linear = function == BinaryFunction::kAdd || function == BinaryFunction::kSubtract;
  return Record(operation, y, {x, z}, linear ? Saved{} : Saved{x.array(), z.array()},
                [function, linear, x_shape, z_shape](const Saved& saved, const Array& dy, Wanted wanted) {
                  const Array& first = linear ? dy : saved[0];
                  const Array& second = linear ? dy : saved[1];
                  Gradients gradients(2);
                  if (wanted[0]) gradients[0] = OperandGradient(function, 0, first, second, dy, x_shape);
                  if (wanted[1]) gradients[1] = OperandGradient(function, 1, first, second, dy, z_shape);
                  return gradients;
                });
}

}  // namespace

#define AUTOGRAD_DEFINE(Function) \
  Variable Function(const Variable& x) { return UnaryOp<functors::Function>(#Function, UnaryFunction::k##Function, x); }
AUTOGRAD_PLAIN_UNARY_FUNCTIONS(AUTOGRAD_DEFINE)
#undef AUTOGRAD_DEFINE

#define AUTOGRAD_DEFINE(Function)                                  \
  Variable Function(const Variable& x, const Variable& z) {        \
    return BinaryOp(#Function, BinaryFunction::k##Function, x, z); \
  }
AUTOGRAD_BINARY_FUNCTIONS(AUTOGRAD_DEFINE)
#undef AUTOGRAD_DEFINE

Variable Affine(const Variable& x, double scale, double shift) {
  return UnaryOp<functors::Affine>("Affine", UnaryFunction::kAffine, x, scale, shift);
}

Variable LeakyRelu(const Variable& x, double slope) {
  return UnaryOp<functors::LeakyRelu>("LeakyRelu", UnaryFunction::kLeakyRelu, x, slope);
}

Variable Clamp(const Variable& x, double low, double high) {
  Require(low <= high, "Clamp", "low ", low, " is above high ", high);
  return UnaryOp<functors::Clamp>("Clamp", UnaryFunction::kClamp, x, low, high);
}

}  // namespace autograd
