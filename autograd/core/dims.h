#pragma once

// Checks operands by named dimensions and answers their extents:
//
//   Dims dims("Conv2d");
//   dims.Match(x, "x: n h w c").Match(filter, "filter: o kh kw c").Match(bias, "bias: o");
//   const int64_t n = dims["n"];
//
// A name that is bound twice must have the same extent; a leading "..." takes any number of dimensions and must be the
// same list each time; digits are literal extents; "_" is not bound. A mismatch is an Error such as
// "Conv2d: c is 64 in x [8, 32, 32, 64] but 32 in filter [128, 3, 3, 32]". While it lives, allocations and nodes are
// counted under the operation's name.

#include <string>
#include <string_view>
#include <vector>

#include "autograd/core/array.h"

namespace autograd {

class Variable;

class Dims {
 public:
  explicit Dims(const char* operation) : operation_(operation), scope_(operation) {}

  Dims& Match(const Array& array, std::string_view pattern);
  Dims& Match(const Variable& variable, std::string_view pattern);

  // Both operands have one dtype and one device.
  Dims& SameType(const Array& a, const Array& b);
  Dims& SameType(const Variable& a, const Variable& b);
  Dims& Floating(const Array& array);
  Dims& Is(const Array& array, DType dtype, const char* operand);

  int64_t operator[](std::string_view name) const;
  // The product of the dimensions taken by "...".
  int64_t Leading() const;

  const char* operation() const { return operation_; }

 private:
  struct Binding {
    std::string name;
    int64_t extent;
    std::string operand;
    Shape shape;
  };
  const char* operation_;
  OperationScope scope_;
  std::vector<Binding> bindings_;
  bool has_leading_ = false;
  Shape leading_;
  std::string leading_operand_;
  Shape leading_shape_;
};

}  // namespace autograd
