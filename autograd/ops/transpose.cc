#include "autograd/ops/transpose.h"

#include <algorithm>
#include <array>
#include <string>

#include "autograd/core/dims.h"
#include "autograd/ops/transpose_kernels.h"

namespace autograd {
namespace {

// Axis i of the result is axis order[i] of the input.
using Order = std::array<int, Shape::kMaxRank>;

std::vector<std::string_view> Names(std::string_view text) {
  std::vector<std::string_view> names;
  for (size_t begin = 0; (begin = text.find_first_not_of(' ', begin)) != std::string_view::npos;) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return names;
}

Order ParseOrder(const char* operation, const Shape& shape, std::string_view pattern) {
  const size_t arrow = pattern.find("->");
  Require(arrow != std::string_view::npos, operation, "pattern \"", pattern, "\" has no ->");
  const std::vector<std::string_view> from = Names(pattern.substr(0, arrow)), to = Names(pattern.substr(arrow + 2));
  Require(static_cast<int>(from.size()) == shape.rank(), operation, "pattern \"", pattern, "\" does not fit x ", shape);
  Require(from.size() == to.size(), operation, "pattern \"", pattern, "\" has not the same axes on both sides");
  Order order{};
  for (size_t i = 0; i < to.size(); ++i) {
    const auto found = std::find(from.begin(), from.end(), to[i]);
    Require(found != from.end() && std::count(to.begin(), to.end(), to[i]) == 1, operation, "pattern \"", pattern,
            "\" has not the same axes on both sides");
    order[i] = static_cast<int>(found - from.begin());
  }
  return order;
}

PermutePlan Plan(const Shape& shape, const Order& order) {
  std::array<int64_t, Shape::kMaxRank> strides{};
  int64_t stride = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape[i];
  }
  PermutePlan plan;
  for (int i = 0; i < shape.rank(); ++i) {
    const int64_t extent = shape[order[i]], step = strides[order[i]];
    if (extent == 1) continue;
    if (plan.rank > 0 && plan.strides[plan.rank - 1] == step * extent) {
      plan.extents[plan.rank - 1] *= extent;
      plan.strides[plan.rank - 1] = step;
      continue;
    }
    plan.extents[plan.rank] = extent;
    plan.strides[plan.rank] = step;
    ++plan.rank;
  }
  return plan;
}

Array Permuted(const Array& x, const Order& order) {
  Shape shape = x.shape();
  for (int i = 0; i < x.rank(); ++i) shape.Set(i, x.shape()[order[i]]);
  if (x.size() == 0) return x.Reshape(shape);
  const PermutePlan plan = Plan(x.shape(), order);
  if (plan.rank <= 1) return x.Reshape(shape);
  Array y = Array::Empty(shape, x.dtype());
  kernels::Permute(Stream::Current(), x, plan, y);
  return y;
}

Array Flipped(const Array& x, int axis) {
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= x.shape()[i];
  for (int i = axis + 1; i < x.rank(); ++i) inner *= x.shape()[i];
  Array y = EmptyLike(x);
  kernels::FlipMiddle(Stream::Current(), x, outer, x.shape()[axis], inner * SizeOf(x.dtype()), y);
  return y;
}

}  // namespace

Variable Transpose(const Variable& x, std::string_view pattern) {
  Dims dims("Transpose");
  Require(x.defined(), dims.operation(), "x is missing");
  const Order order = ParseOrder(dims.operation(), x.shape(), pattern);
  const int rank = x.rank();

  Array y = Permuted(x.array(), order);

  return Record("Transpose", y, {x}, Saved{}, [order, rank](const Saved&, const Array& dy, Wanted) {
    Order inverse{};
    for (int i = 0; i < rank; ++i) inverse[order[i]] = i;
    return Gradients{Permuted(dy, inverse)};
  });
}

Variable Reshape(const Variable& x, const std::vector<int64_t>& extents) {
  Require(x.defined(), "Reshape", "x is missing");
  const Shape shape = x.shape();
  return Record("Reshape", x.array().Reshape(extents), {x}, Saved{},
                [shape](const Saved&, const Array& dy, Wanted) { return Gradients{dy.Reshape(shape)}; });
}

Variable Flip(const Variable& x, int axis) {
  Dims dims("Flip");
  Require(x.defined(), dims.operation(), "x is missing");
  Require(axis >= -x.rank() && axis < x.rank(), dims.operation(), "axis ", axis, " of x ", x.shape());
  const int from_front = x.shape().Axis(axis);

  Array y = Flipped(x.array(), from_front);

  return Record("Flip", y, {x}, Saved{},
                [from_front](const Saved&, const Array& dy, Wanted) { return Gradients{Flipped(dy, from_front)}; });
}

}  // namespace autograd
