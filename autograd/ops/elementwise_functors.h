#pragma once

// Every elementwise function, value and derivative side by side, compiled for host and device. To add one: write its
// functor, name it in a list at the end, declare nothing else (docs/adding_an_op.md); its kernels, its front end in
// elementwise.h and its gradient expand from the list. Then add a row to elementwise_test.cc.
//
// A unary functor has   Value(x, a, b)   and   Derivative(x, y, a, b) = dy/dx,
// where a, b are numbers fixed by the caller, and says in kSaves what Derivative reads: the input x or the output y.
// A binary functor has  Value(x, z), FirstDerivative(x, z), SecondDerivative(x, z).

#include "autograd/runtime/host_device.h"
#include "autograd/runtime/math.h"

namespace autograd::functors {

enum class Saves { kInput, kOutput, kNothing };

struct Identity {
  static constexpr Saves kSaves = Saves::kNothing;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return x;
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T, T, T, T) {
    return T(1);
  }
};

struct Negative {
  static constexpr Saves kSaves = Saves::kNothing;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return -x;
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T, T, T, T) {
    return T(-1);
  }
};

// a·x + b
struct Affine {
  static constexpr Saves kSaves = Saves::kNothing;
  template <typename T>
  HOST_DEVICE static T Value(T x, T a, T b) {
    return a * x + b;
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T, T, T a, T) {
    return a;
  }
};

struct Absolute {
  static constexpr Saves kSaves = Saves::kInput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return x < T(0) ? -x : x;
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T x, T, T, T) {
    return x < T(0) ? T(-1) : (x > T(0) ? T(1) : T(0));
  }
};

struct Square {
  static constexpr Saves kSaves = Saves::kInput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return x * x;
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T x, T, T, T) {
    return T(2) * x;
  }
};

struct SquareRoot {
  static constexpr Saves kSaves = Saves::kOutput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return math::Sqrt(x);
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T, T y, T, T) {
    return T(0.5) / y;
  }
};

struct Reciprocal {
  static constexpr Saves kSaves = Saves::kOutput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return T(1) / x;
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T, T y, T, T) {
    return -y * y;
  }
};

struct Exponential {
  static constexpr Saves kSaves = Saves::kOutput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return math::Exp(x);
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T, T y, T, T) {
    return y;
  }
};

struct Logarithm {
  static constexpr Saves kSaves = Saves::kInput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return math::Log(x);
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T x, T, T, T) {
    return T(1) / x;
  }
};

struct Tanh {
  static constexpr Saves kSaves = Saves::kOutput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return math::Tanh(x);
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T, T y, T, T) {
    return T(1) - y * y;
  }
};

struct Sigmoid {
  static constexpr Saves kSaves = Saves::kOutput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return T(1) / (T(1) + math::Exp(-x));
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T, T y, T, T) {
    return y * (T(1) - y);
  }
};

// log(1 + e^x), without overflow.
struct Softplus {
  static constexpr Saves kSaves = Saves::kInput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    const T magnitude = x < T(0) ? -x : x;
    return (x > T(0) ? x : T(0)) + math::Log(T(1) + math::Exp(-magnitude));
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T x, T, T, T) {
    return T(1) / (T(1) + math::Exp(-x));
  }
};

struct Relu {
  static constexpr Saves kSaves = Saves::kOutput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return x > T(0) ? x : T(0);
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T, T y, T, T) {
    return y > T(0) ? T(1) : T(0);
  }
};

// x for x > 0, a·x below.
struct LeakyRelu {
  static constexpr Saves kSaves = Saves::kInput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T a, T) {
    return x > T(0) ? x : a * x;
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T x, T, T a, T) {
    return x > T(0) ? T(1) : a;
  }
};

// x·Φ(x), the exact form (erf), as timm's and PyTorch's default.
struct Gelu {
  static constexpr Saves kSaves = Saves::kInput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return T(0.5) * x * (T(1) + math::Erf(x * T(0.70710678118654752440)));
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T x, T, T, T) {
    const T cumulative = T(0.5) * (T(1) + math::Erf(x * T(0.70710678118654752440)));
    return cumulative + x * T(0.39894228040143267794) * math::Exp(T(-0.5) * x * x);
  }
};

// x·sigmoid(x), also called swish.
struct Silu {
  static constexpr Saves kSaves = Saves::kInput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return x / (T(1) + math::Exp(-x));
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T x, T, T, T) {
    const T sigmoid = T(1) / (T(1) + math::Exp(-x));
    return sigmoid * (T(1) + x * (T(1) - sigmoid));
  }
};

// min(max(x, a), b); the derivative at the ends is that of the inside.
struct Clamp {
  static constexpr Saves kSaves = Saves::kInput;
  template <typename T>
  HOST_DEVICE static T Value(T x, T a, T b) {
    return x < a ? a : (x > b ? b : x);
  }
  template <typename T>
  HOST_DEVICE static T Derivative(T x, T, T a, T b) {
    return x < a || x > b ? T(0) : T(1);
  }
};

struct Add {
  template <typename T>
  HOST_DEVICE static T Value(T x, T z) {
    return x + z;
  }
  template <typename T>
  HOST_DEVICE static T FirstDerivative(T, T) {
    return T(1);
  }
  template <typename T>
  HOST_DEVICE static T SecondDerivative(T, T) {
    return T(1);
  }
};

struct Subtract {
  template <typename T>
  HOST_DEVICE static T Value(T x, T z) {
    return x - z;
  }
  template <typename T>
  HOST_DEVICE static T FirstDerivative(T, T) {
    return T(1);
  }
  template <typename T>
  HOST_DEVICE static T SecondDerivative(T, T) {
    return T(-1);
  }
};

struct Multiply {
  template <typename T>
  HOST_DEVICE static T Value(T x, T z) {
    return x * z;
  }
  template <typename T>
  HOST_DEVICE static T FirstDerivative(T, T z) {
    return z;
  }
  template <typename T>
  HOST_DEVICE static T SecondDerivative(T x, T) {
    return x;
  }
};

struct Divide {
  template <typename T>
  HOST_DEVICE static T Value(T x, T z) {
    return x / z;
  }
  template <typename T>
  HOST_DEVICE static T FirstDerivative(T, T z) {
    return T(1) / z;
  }
  template <typename T>
  HOST_DEVICE static T SecondDerivative(T x, T z) {
    return -x / (z * z);
  }
};

// Ties give the gradient to the first operand.
struct Maximum {
  template <typename T>
  HOST_DEVICE static T Value(T x, T z) {
    return x >= z ? x : z;
  }
  template <typename T>
  HOST_DEVICE static T FirstDerivative(T x, T z) {
    return x >= z ? T(1) : T(0);
  }
  template <typename T>
  HOST_DEVICE static T SecondDerivative(T x, T z) {
    return x >= z ? T(0) : T(1);
  }
};

struct Minimum {
  template <typename T>
  HOST_DEVICE static T Value(T x, T z) {
    return x <= z ? x : z;
  }
  template <typename T>
  HOST_DEVICE static T FirstDerivative(T x, T z) {
    return x <= z ? T(1) : T(0);
  }
  template <typename T>
  HOST_DEVICE static T SecondDerivative(T x, T z) {
    return x <= z ? T(0) : T(1);
  }
};

}  // namespace autograd::functors

// X(Functor): unary functions whose front end is `Variable Functor(const Variable& x)`.
// clang-format off
#define AUTOGRAD_PLAIN_UNARY_FUNCTIONS(X) \
  X(Negative) X(Absolute) X(Square) X(SquareRoot) X(Reciprocal) X(Exponential) X(Logarithm) X(Tanh) X(Sigmoid) \
  X(Softplus) X(Relu) X(Gelu) X(Silu)
// clang-format on

// X(Functor): unary functions with numbers; elementwise.h declares their front ends by hand.
#define AUTOGRAD_UNARY_FUNCTIONS(X) AUTOGRAD_PLAIN_UNARY_FUNCTIONS(X) X(Affine) X(LeakyRelu) X(Clamp)

// X(Functor): binary functions whose front end is `Variable Functor(const Variable& x, const Variable& z)`, with
// broadcasting.
#define AUTOGRAD_BINARY_FUNCTIONS(X) X(Add) X(Subtract) X(Multiply) X(Divide) X(Maximum) X(Minimum)
