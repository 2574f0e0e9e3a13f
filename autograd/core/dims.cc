#include "autograd/core/dims.h"

#include <cctype>

#include "autograd/core/variable.h"

namespace autograd {

Dims& Dims::Match(const Variable& variable, std::string_view pattern) { return Match(variable.array(), pattern); }

Dims& Dims::Match(const Array& array, std::string_view pattern) {
  const size_t colon = pattern.find(':');
  const std::string operand(colon == std::string_view::npos ? "operand" : pattern.substr(0, colon));
  std::string_view rest = colon == std::string_view::npos ? pattern : pattern.substr(colon + 1);
  Require(array.defined(), operation_, operand, " is missing");

  std::vector<std::string_view> names;
  bool leading = false;
  while (true) {
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    if (rest.empty()) break;
    const std::string_view name = rest.substr(0, rest.find(' '));
    rest.remove_prefix(name.size());
    if (name == "...") {
      leading = true;
    } else {
      names.push_back(name);
    }
  }
  const Shape& shape = array.shape();
  const int count = static_cast<int>(names.size()), extra = shape.rank() - count;
  Require(leading ? extra >= 0 : extra == 0, operation_, operand, " has shape ", shape, " but must be [",
          pattern.substr(colon == std::string_view::npos ? 0 : colon + 1), " ]");

  if (leading) {
    const Shape taken(shape.begin(), extra);
    if (has_leading_) {
      Require(taken == leading_, operation_, "leading dimensions are ", taken, " in ", operand, " ", shape, " but ",
              leading_, " in ", leading_operand_, " ", leading_shape_);
    } else {
      has_leading_ = true;
      leading_ = taken;
      leading_operand_ = operand;
      leading_shape_ = shape;
    }
  }
  for (int i = 0; i < count; ++i) {
    const std::string_view name = names[i];
    const int64_t extent = shape[extra + i];
    if (name == "_") continue;
    if (std::isdigit(static_cast<unsigned char>(name[0]))) {
      Require(extent == std::stoll(std::string(name)), operation_, operand, " ", shape, " must have extent ", name,
              " in axis ", extra + i);
      continue;
    }
    bool bound = false;
    for (const Binding& binding : bindings_) {
      if (binding.name != name) continue;
      Require(binding.extent == extent, operation_, name, " is ", binding.extent, " in ", binding.operand, " ",
              binding.shape, " but ", extent, " in ", operand, " ", shape);
      bound = true;
    }
    if (!bound) bindings_.push_back({std::string(name), extent, operand, shape});
  }
  return *this;
}

Dims& Dims::SameType(const Array& a, const Array& b) {
  Require(a.dtype() == b.dtype(), operation_, "operands are ", a.dtype(), " ", a.shape(), " and ", b.dtype(), " ",
          b.shape());
  Require(a.device() == b.device(), operation_, "operands are on ", a.device(), " and ", b.device());
  return *this;
}
Dims& Dims::SameType(const Variable& a, const Variable& b) { return SameType(a.array(), b.array()); }

Dims& Dims::Floating(const Array& array) {
  Require(IsFloating(array.dtype()), operation_, "needs a floating dtype, not ", array.dtype(), " ", array.shape());
  return *this;
}

Dims& Dims::Is(const Array& array, DType dtype, const char* operand) {
  Require(array.dtype() == dtype, operation_, operand, " must be ", dtype, ", not ", array.dtype(), " ", array.shape());
  return *this;
}

int64_t Dims::operator[](std::string_view name) const {
  for (const Binding& binding : bindings_) {
    if (binding.name == name) return binding.extent;
  }
  Fail(operation_, "no dimension is called ", name);
}

int64_t Dims::Leading() const { return leading_.size(); }

}  // namespace autograd
