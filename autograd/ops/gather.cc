#include "autograd/ops/gather.h"

#include "autograd/core/dims.h"
#include "autograd/ops/gather_kernels.h"

namespace autograd {
namespace {

void RequireIndices(const char* operation, const Array& indices) {
  Require(indices.defined(), operation, "indices are missing");
  Require(!IsFloating(indices.dtype()), operation, "indices must be int32, int64 or uint8, not ", indices.dtype(), " ",
          indices.shape());
}

Shape Appended(const Shape& front, const int64_t* begin, const int64_t* end) {
  std::vector<int64_t> extents = front.ToVector();
  extents.insert(extents.end(), begin, end);
  return Shape(extents);
}

}  // namespace

Variable Gather(const Variable& table, const Array& indices) {
  Dims dims("Gather");
  Require(table.defined() && table.rank() >= 1, dims.operation(), "table needs rows");
  RequireIndices(dims.operation(), indices);
  const Shape shape = table.shape();

  Array y = Array::Empty(Appended(indices.shape(), shape.begin() + 1, shape.end()), table.dtype());
  kernels::GatherRows(Stream::Current(), table.array(), indices, y);

  return Record("Gather", y, {table}, Saved{indices}, [shape](const Saved& saved, const Array& dy, Wanted) {
    Array dtable = Array::Empty(shape, dy.dtype());
    kernels::GatherRowsGradient(Stream::Current(), saved[0], dy, dtable);
    return Gradients{dtable};
  });
}

Variable GatherLast(const Variable& x, const Array& indices) {
  Dims dims("GatherLast");
  dims.Match(x, "x: ... k");
  RequireIndices(dims.operation(), indices);
  dims.Match(indices, "indices: ...");
  const Shape shape = x.shape();

  Array y = Array::Empty(indices.shape(), x.dtype());
  kernels::GatherLastForward(Stream::Current(), x.array(), indices, y);

  return Record("GatherLast", y, {x}, Saved{indices}, [shape](const Saved& saved, const Array& dy, Wanted) {
    Array dx = Array::Empty(shape, dy.dtype());
    kernels::GatherLastGradient(Stream::Current(), saved[0], dy, dx);
    return Gradients{dx};
  });
}

Array ArgMax(const Array& x, DType dtype) {
  Dims dims("ArgMax");
  dims.Match(x, "x: ... k").Floating(x);
  Require(dims["k"] >= 1, dims.operation(), "x ", x.shape(), " has nothing to choose from");
  Require(!IsFloating(dtype), dims.operation(), "result must be int32, int64 or uint8, not ", dtype);
  Require(dtype != kUInt8 || dims["k"] <= 256, dims.operation(), "x ", x.shape(),
          " has more than 256 entries for uint8");
  Array y = Array::Empty(Shape(x.shape().begin(), x.rank() - 1), dtype);
  kernels::ArgMaxLast(Stream::Current(), x, y);
  return y;
}

Array OneHot(const Array& indices, int64_t classes, DType dtype) {
  Dims dims("OneHot");
  RequireIndices(dims.operation(), indices);
  Require(classes >= 0, dims.operation(), "number of classes ", classes, " is negative");
  Array y = Array::Empty(Appended(indices.shape(), &classes, &classes + 1), dtype);
  kernels::FillOneHot(Stream::Current(), indices, y);
  return y;
}

}  // namespace autograd
