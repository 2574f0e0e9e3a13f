#include "autograd/ops/reduce.h"

#include <algorithm>

#include "autograd/core/dims.h"
#include "autograd/ops/reduce_kernels.h"

namespace autograd {
namespace {

// A run of neighbouring axes seen from the whole shape.
struct Group {
  int64_t outer = 1, middle = 1, inner = 1;
};

// Calls step(group) for each maximal run of marked axes, the last run first, with the extents as they are by then
// (`extents` is updated to 1 behind each run).
template <typename Step>
void ForEachRun(std::vector<int64_t>& extents, const std::vector<bool>& marked, const Step& step) {
  const int rank = static_cast<int>(extents.size());
  for (int end = rank; end > 0;) {
    if (!marked[end - 1]) {
      --end;
      continue;
    }
    int begin = end - 1;
    while (begin > 0 && marked[begin - 1]) --begin;
    Group group;
    for (int i = 0; i < begin; ++i) group.outer *= extents[i];
    for (int i = begin; i < end; ++i) group.middle *= extents[i];
    for (int i = end; i < rank; ++i) group.inner *= extents[i];
    for (int i = begin; i < end; ++i) extents[i] = 1;
    step(group);
    end = begin;
  }
}

Array SumMarked(const Array& x, const std::vector<bool>& marked, double scale) {
  std::vector<int64_t> extents = x.shape().ToVector();
  Array sum = x;
  bool first = true;
  ForEachRun(extents, marked, [&](const Group& group) {
    Array next = Array::Empty(Shape(extents), x.dtype());
    kernels::SumMiddle(Stream::Current(), sum, group.outer, group.middle, group.inner, first ? scale : 1.0, next);
    sum = std::move(next);
    first = false;
  });
  return sum;
}

Array RepeatMarked(const Array& x, const Shape& shape, const std::vector<bool>& marked, double scale) {
  // The runs of SumMarked backwards: from the reduced extents outwards, the first axes first.
  Array repeated = x;
  std::vector<int64_t> extents = x.shape().ToVector();
  bool first = true;
  for (int begin = 0; begin < shape.rank();) {
    if (!marked[begin]) {
      ++begin;
      continue;
    }
    int end = begin;
    while (end < shape.rank() && marked[end]) ++end;
    Group group;
    for (int i = 0; i < begin; ++i) group.outer *= extents[i];
    for (int i = begin; i < end; ++i) group.middle *= shape[i];
    for (int i = end; i < shape.rank(); ++i) group.inner *= extents[i];
    for (int i = begin; i < end; ++i) extents[i] = shape[i];
    Array next = Array::Empty(Shape(extents), x.dtype());
    kernels::RepeatMiddle(Stream::Current(), repeated, group.outer, group.middle, group.inner, first ? scale : 1.0,
                          next);
    repeated = std::move(next);
    first = false;
    begin = end;
  }
  return repeated;
}

Variable ReduceOp(const char* operation, const Variable& x, const std::vector<int>& axes, bool keep_axes, bool mean) {
  Dims dims(operation);
  dims.Floating(x.array());
  const Shape shape = x.shape();
  std::vector<bool> marked(shape.rank(), axes.empty());
  for (int axis : axes) marked[shape.Axis(axis)] = true;
  uint32_t mask = 0;
  int64_t count = 1;
  std::vector<int64_t> kept, result;
  for (int i = 0; i < shape.rank(); ++i) {
    if (marked[i]) {
      mask |= 1u << i;
      count *= shape[i];
    }
    kept.push_back(marked[i] ? 1 : shape[i]);
    if (!marked[i] || keep_axes) result.push_back(kept.back());
  }
  Require(!mean || count > 0, operation, "of no elements: ", shape);
  const double scale = mean ? 1.0 / static_cast<double>(count) : 1.0;

  Array y = SumMarked(x.array(), marked, scale);
  if (y.SharesStorageWith(x.array())) y = y.Copy();  // nothing was reduced

  return Record(operation, y.Reshape(result), {x}, Saved{},
                [shape, mask, scale](const Saved&, const Array& dy, Wanted) {
                  std::vector<bool> axes_of(shape.rank());
                  std::vector<int64_t> extents;
                  for (int i = 0; i < shape.rank(); ++i) {
                    axes_of[i] = mask >> i & 1;
                    extents.push_back(axes_of[i] ? 1 : shape[i]);
                  }
                  return Gradients{RepeatMarked(dy.Reshape(extents), shape, axes_of, scale)};
                });
}

std::vector<bool> Broadcasted(const char* operation, const Shape& large, const Shape& small) {
  Require(small.rank() <= large.rank(), operation, small, " does not broadcast to ", large);
  std::vector<bool> marked(large.rank());
  for (int i = 0; i < large.rank(); ++i) {
    const int from = i - (large.rank() - small.rank());
    const int64_t extent = from < 0 ? 1 : small[from];
    Require(extent == large[i] || extent == 1, operation, small, " does not broadcast to ", large);
    marked[i] = extent != large[i];
  }
  return marked;
}

}  // namespace

Variable Sum(const Variable& x, const std::vector<int>& axes, bool keep_axes) {
  return ReduceOp("Sum", x, axes, keep_axes, false);
}
Variable Mean(const Variable& x, const std::vector<int>& axes, bool keep_axes) {
  return ReduceOp("Mean", x, axes, keep_axes, true);
}

Array SumTo(const Array& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return SumMarked(x, Broadcasted("SumTo", x.shape(), shape), 1.0).Reshape(shape);
}

Array BroadcastTo(const Array& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const std::vector<bool> marked = Broadcasted("BroadcastTo", shape, x.shape());
  std::vector<int64_t> extents(shape.rank() - x.rank(), 1);
  for (int64_t extent : x.shape()) extents.push_back(extent);
  return RepeatMarked(x.Reshape(extents), shape, marked, 1.0);
}

}  // namespace autograd
