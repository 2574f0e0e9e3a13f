#pragma once

#include "autograd/core/array.h"
#include "autograd/ops/elementwise_functors.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

#define AUTOGRAD_ENUMERATE(Function) k##Function,
enum class UnaryFunction { AUTOGRAD_UNARY_FUNCTIONS(AUTOGRAD_ENUMERATE) };
enum class BinaryFunction { AUTOGRAD_BINARY_FUNCTIONS(AUTOGRAD_ENUMERATE) };
#undef AUTOGRAD_ENUMERATE

// Calls `visitor(Functor())` for the function's functor.
template <typename Visitor>
void VisitUnary(UnaryFunction function, Visitor&& visitor) {
  switch (function) {
#define AUTOGRAD_CASE(Function)    \
  case UnaryFunction::k##Function: \
    return visitor(functors::Function());
    AUTOGRAD_UNARY_FUNCTIONS(AUTOGRAD_CASE)
#undef AUTOGRAD_CASE
  }
}
template <typename Visitor>
void VisitBinary(BinaryFunction function, Visitor&& visitor) {
  switch (function) {
#define AUTOGRAD_CASE(Function)     \
  case BinaryFunction::k##Function: \
    return visitor(functors::Function());
    AUTOGRAD_BINARY_FUNCTIONS(AUTOGRAD_CASE)
#undef AUTOGRAD_CASE
  }
}

// y = f(x; a, b)
KERNEL(Unary, void(Stream&, UnaryFunction function, double a, double b, const Array& x, Array& y));
// dx = dy · f'(…), where `saved` is x, y or nothing as the functor's kSaves says.
KERNEL(UnaryGradient,
       void(Stream&, UnaryFunction function, double a, double b, const Array& saved, const Array& dy, Array& dx));
// y = f(x, z), broadcast to y's shape.
KERNEL(Binary, void(Stream&, BinaryFunction function, const Array& x, const Array& z, Array& y));
// gradient = dy · ∂f/∂x (operand 0) or dy · ∂f/∂z (operand 1), in y's shape.
KERNEL(BinaryGradient, void(Stream&, BinaryFunction function, int operand, const Array& x, const Array& z,
                            const Array& dy, Array& gradient));

}  // namespace autograd
