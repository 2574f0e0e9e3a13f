#include "autograd/ops/concatenate.h"

#include <algorithm>
#include <array>
#include <limits>

#include "autograd/core/array_kernels.h"
#include "autograd/core/dims.h"
#include "autograd/ops/concatenate_kernels.h"

namespace autograd {
namespace {

int CheckedAxis(const char* operation, int axis, const Shape& shape) {
  Require(axis >= -shape.rank() && axis < shape.rank(), operation, "axis ", axis, " of x ", shape);
  return shape.Axis(axis);
}

// `part` is what lies at [begin, begin + its own extent) of axis `axis` of `whole`.
struct Part {
  int64_t outer = 1, whole = 0, part = 0, offset = 0;  // runs, and bytes a run
};

Part LocatePart(const Shape& whole, const Shape& part, int axis, int64_t begin, DType dtype) {
  Part result;
  int64_t inner = SizeOf(dtype);
  for (int i = 0; i < axis; ++i) result.outer *= whole[i];
  for (int i = axis + 1; i < whole.rank(); ++i) inner *= whole[i];
  result.whole = whole[axis] * inner;
  result.part = part[axis] * inner;
  result.offset = begin * inner;
  return result;
}

void CopyPartIn(const Array& part, int axis, int64_t begin, Array& whole) {
  const Part at = LocatePart(whole.shape(), part.shape(), axis, begin, whole.dtype());
  const BoxCopy box{
      .rows = at.outer, .bytes = at.part, .from_row = at.part, .to_offset = at.offset, .to_row = at.whole};
  kernels::CopyBox(Stream::Current(), part, box, whole);
}

Array SlicePart(const Array& whole, int axis, int64_t begin, int64_t end) {
  if (axis == 0) return whole.Slice(begin, end);
  Shape shape = whole.shape();
  shape.Set(axis, end - begin);
  Array part = Array::Empty(shape, whole.dtype());
  const Part at = LocatePart(whole.shape(), shape, axis, begin, whole.dtype());
  const BoxCopy box{
      .rows = at.outer, .bytes = at.part, .from_offset = at.offset, .from_row = at.whole, .to_row = at.part};
  kernels::CopyBox(Stream::Current(), whole, box, part);
  return part;
}

// A gradient closure holds this many extents; longer lists are joined in groups.
constexpr size_t kGroup = 28;

struct JoinedExtents {
  int32_t axis = 0, count = 0;
  std::array<int32_t, kGroup> extents{};
};

Variable ConcatenateGroup(const char* operation, std::span<const Variable> inputs, int axis) {
  if (inputs.size() == 1) return inputs[0];
  JoinedExtents joined{.axis = axis, .count = static_cast<int32_t>(inputs.size())};
  int64_t total = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int64_t extent = inputs[i].shape()[axis];
    total += extent;
    Require(total <= std::numeric_limits<int32_t>::max(), operation, "axis ", axis, " would have ", total, " indices");
    joined.extents[i] = static_cast<int32_t>(extent);
  }
  Shape shape = inputs[0].shape();
  shape.Set(axis, total);

  Array y = Array::Empty(shape, inputs[0].dtype());
  int64_t begin = 0;
  for (const Variable& input : inputs) {
    CopyPartIn(input.array(), axis, begin, y);
    begin += input.shape()[axis];
  }

  return Record(operation, y, inputs, Saved{}, [joined](const Saved&, const Array& dy, Wanted wanted) {
    Gradients gradients(joined.count);
    int64_t first = 0;
    for (int i = 0; i < joined.count; ++i) {
      if (wanted[i]) gradients[i] = SlicePart(dy, joined.axis, first, first + joined.extents[i]);
      first += joined.extents[i];
    }
    return gradients;
  });
}

Variable ConcatenateChecked(const char* operation, std::vector<Variable> inputs, int axis) {
  while (inputs.size() > kGroup) {
    std::vector<Variable> joined;
    for (size_t begin = 0; begin < inputs.size(); begin += kGroup) {
      const size_t count = std::min(kGroup, inputs.size() - begin);
      joined.push_back(ConcatenateGroup(operation, std::span(inputs).subspan(begin, count), axis));
    }
    inputs = std::move(joined);
  }
  return ConcatenateGroup(operation, inputs, axis);
}

}  // namespace

Variable Concatenate(const std::vector<Variable>& inputs, int axis) {
  Dims dims("Concatenate");
  Require(!inputs.empty() && inputs[0].defined(), dims.operation(), "needs an input");
  const Shape& first = inputs[0].shape();
  const int from_front = CheckedAxis(dims.operation(), axis, first);
  for (size_t i = 1; i < inputs.size(); ++i) {
    Require(inputs[i].defined(), dims.operation(), "input ", i, " is missing");
    Shape expected = inputs[i].shape();
    if (expected.rank() == first.rank()) expected.Set(from_front, first[from_front]);
    Require(expected == first, dims.operation(), "input ", i, " ", inputs[i].shape(), " does not fit input 0 ", first,
            " along axis ", axis);
    dims.SameType(inputs[0], inputs[i]);
  }
  return ConcatenateChecked(dims.operation(), inputs, from_front);
}

Variable Stack(const std::vector<Variable>& inputs, int axis) {
  Dims dims("Stack");
  Require(!inputs.empty() && inputs[0].defined(), dims.operation(), "needs an input");
  const Shape shape = inputs[0].shape();
  const int rank = shape.rank() + 1;
  Require(axis >= -rank && axis < rank, dims.operation(), "axis ", axis, " for inputs ", shape);
  const int from_front = axis < 0 ? axis + rank : axis;
  std::vector<int64_t> extents = shape.ToVector();
  extents.insert(extents.begin() + from_front, 1);

  std::vector<Variable> expanded;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Require(inputs[i].defined() && inputs[i].shape() == shape, dims.operation(), "input ", i, " ", inputs[i].shape(),
            " has not the shape of input 0 ", shape);
    dims.SameType(inputs[0], inputs[i]);
    expanded.push_back(Record("Stack", inputs[i].array().Reshape(extents), {inputs[i]}, Saved{},
                              [shape](const Saved&, const Array& dy, Wanted) { return Gradients{dy.Reshape(shape)}; }));
  }
  return ConcatenateChecked(dims.operation(), std::move(expanded), from_front);
}

Variable Slice(const Variable& x, int axis, int64_t begin, int64_t end) {
  Dims dims("Slice");
  Require(x.defined(), dims.operation(), "x is missing");
  const Shape shape = x.shape();
  const int from_front = CheckedAxis(dims.operation(), axis, shape);
  Require(begin >= 0 && begin <= end && end <= shape[from_front], dims.operation(), "[", begin, ", ", end, ") of axis ",
          axis, " of x ", shape);

  Array y = SlicePart(x.array(), from_front, begin, end);

  return Record("Slice", y, {x}, Saved{}, [shape, from_front, begin](const Saved&, const Array& dy, Wanted) {
    Array dx = Array::Zeros(shape, dy.dtype());
    CopyPartIn(dy, from_front, begin, dx);
    return Gradients{dx};
  });
}

std::vector<Variable> Split(const Variable& x, int axis, const std::vector<int64_t>& extents) {
  Require(x.defined(), "Split", "x is missing");
  const int from_front = CheckedAxis("Split", axis, x.shape());
  int64_t total = 0;
  for (int64_t extent : extents) total += extent;
  Require(total == x.shape()[from_front], "Split", "extents add up to ", total, " but axis ", axis, " of x ", x.shape(),
          " has ", x.shape()[from_front]);
  std::vector<Variable> parts;
  int64_t begin = 0;
  for (int64_t extent : extents) {
    parts.push_back(Slice(x, from_front, begin, begin + extent));
    begin += extent;
  }
  return parts;
}

namespace {

// Between an image and the padded one around it; `image` and `padded` are [n, h, w, …].
BoxCopy InnerBox(const Shape& image, const Shape& padded, const Margins& margins, DType dtype) {
  int64_t pixel = SizeOf(dtype);
  for (int i = 3; i < image.rank(); ++i) pixel *= image[i];
  BoxCopy box;
  box.outer = image[0];
  box.rows = image[1];
  box.bytes = image[2] * pixel;
  box.from_row = box.bytes;
  box.from_outer = image[1] * box.from_row;
  box.to_row = padded[2] * pixel;
  box.to_outer = padded[1] * box.to_row;
  box.to_offset = margins.top * box.to_row + margins.left * pixel;
  return box;
}

}  // namespace

Variable Pad(const Variable& x, const Margins& margins, double value) {
  Dims dims("Pad");
  dims.Match(x, x.defined() && x.rank() == 3 ? "x: n h w" : "x: n h w c");
  Require(margins.top >= 0 && margins.bottom >= 0 && margins.left >= 0 && margins.right >= 0, dims.operation(),
          "negative margins ", margins.top, ", ", margins.bottom, ", ", margins.left, ", ", margins.right);
  if (margins.top + margins.bottom + margins.left + margins.right == 0) return x;
  const Shape shape = x.shape();
  Shape padded = shape;
  padded.Set(1, shape[1] + margins.top + margins.bottom);
  padded.Set(2, shape[2] + margins.left + margins.right);

  Array y = Array::Empty(padded, x.dtype());
  kernels::Fill(Stream::Current(), y, value);
  kernels::CopyBox(Stream::Current(), x.array(), InnerBox(shape, padded, margins, x.dtype()), y);

  return Record("Pad", y, {x}, Saved{}, [shape, margins](const Saved&, const Array& dy, Wanted) {
    Array dx = Array::Empty(shape, dy.dtype());
    BoxCopy box = InnerBox(shape, dy.shape(), margins, dy.dtype());
    std::swap(box.from_offset, box.to_offset);
    std::swap(box.from_outer, box.to_outer);
    std::swap(box.from_row, box.to_row);
    kernels::CopyBox(Stream::Current(), dy, box, dx);
    return Gradients{dx};
  });
}

}  // namespace autograd
