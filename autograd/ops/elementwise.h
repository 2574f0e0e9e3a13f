#pragma once

// The elementwise family. Unary: Negative, Absolute, Square, SquareRoot, Reciprocal, Exponential, Logarithm, Tanh,
// Sigmoid, Softplus, Relu, Gelu (erf form), Silu. Binary, with NumPy's broadcasting: Add, Subtract, Multiply, Divide,
// Maximum, Minimum. Operands have one floating dtype. Formulas: elementwise_functors.h.

#include "autograd/core/tape.h"
#include "autograd/ops/elementwise_functors.h"

namespace autograd {

#define AUTOGRAD_DECLARE(Function) Variable Function(const Variable& x);
AUTOGRAD_PLAIN_UNARY_FUNCTIONS(AUTOGRAD_DECLARE)
#undef AUTOGRAD_DECLARE

#define AUTOGRAD_DECLARE(Function) Variable Function(const Variable& x, const Variable& z);
AUTOGRAD_BINARY_FUNCTIONS(AUTOGRAD_DECLARE)
#undef AUTOGRAD_DECLARE

// scale·x + shift
Variable Affine(const Variable& x, double scale, double shift);
inline Variable Scale(const Variable& x, double factor) { return Affine(x, factor, 0); }
// x where x > 0, slope·x elsewhere.
Variable LeakyRelu(const Variable& x, double slope);
Variable Clamp(const Variable& x, double low, double high);

inline Variable operator+(const Variable& x, const Variable& z) { return Add(x, z); }
inline Variable operator-(const Variable& x, const Variable& z) { return Subtract(x, z); }
inline Variable operator*(const Variable& x, const Variable& z) { return Multiply(x, z); }
inline Variable operator/(const Variable& x, const Variable& z) { return Divide(x, z); }
inline Variable operator-(const Variable& x) { return Negative(x); }
inline Variable operator*(double factor, const Variable& x) { return Scale(x, factor); }
inline Variable operator*(const Variable& x, double factor) { return Scale(x, factor); }
inline Variable operator+(const Variable& x, double shift) { return Affine(x, 1, shift); }
inline Variable operator-(const Variable& x, double shift) { return Affine(x, 1, -shift); }

}  // namespace autograd
