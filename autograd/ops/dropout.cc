#include "autograd/ops/dropout.h"

#include "autograd/core/dims.h"
#include "autograd/ops/dropout_kernels.h"
#include "autograd/ops/elementwise.h"

namespace autograd {
namespace {

void RequireRate(const char* operation, double rate, int64_t first_unit) {
  Require(rate >= 0 && rate < 1, operation, "rate ", rate, " is not in [0, 1)");
  Require(first_unit >= 0, operation, "the first sample is negative");
}

Variable DropOp(const char* operation, const Variable& x, int64_t outer, int64_t inner, double rate, bool training,
                RandomKey key, int64_t first_unit) {
  Dims dims(operation);
  dims.Floating(x.array());
  RequireRate(operation, rate, first_unit);
  if (!training || rate == 0 || x.size() == 0) return x;

  const int64_t repeated = x.size() / (outer * inner);
  Array y = EmptyLike(x.array());
  kernels::DropUnits(Stream::Current(), x.array(), Array(), outer, repeated, inner, rate, key, first_unit, y);

  return Record(operation, y, {x}, Saved{},
                [outer, repeated, inner, rate, key, first_unit](const Saved&, const Array& dy, Wanted) {
                  Array dx = EmptyLike(dy);
                  kernels::DropUnits(Stream::Current(), dy, Array(), outer, repeated, inner, rate, key, first_unit, dx);
                  return Gradients{dx};
                });
}

}  // namespace

Variable Dropout(const Variable& x, double rate, bool training, RandomKey key, int64_t first_sample) {
  const int64_t samples = x.rank() > 0 ? x.shape()[0] : 1;
  return DropOp("Dropout", x, 1, x.size(), rate, training, key,
                samples > 0 ? first_sample * (x.size() / samples) : first_sample);
}

Variable Dropout2d(const Variable& x, double rate, bool training, RandomKey key, int64_t first_sample) {
  Require(x.rank() >= 2, "Dropout2d", "x has shape ", x.shape(), " but must be [ n ... c ]");
  return DropOp("Dropout2d", x, x.shape()[0], x.shape()[-1], rate, training, key, first_sample * x.shape()[-1]);
}

Variable DropPath(const Variable& x, double rate, bool training, RandomKey key, int64_t first_sample) {
  Require(x.rank() >= 1, "DropPath", "x has shape ", x.shape(), " but must be [ n ... ]");
  return DropOp("DropPath", x, x.shape()[0], 1, rate, training, key, first_sample);
}

Variable ResidualDropPath(const Variable& x, const Variable& branch, double rate, bool training, RandomKey key,
                          int64_t first_sample) {
  Dims dims("ResidualDropPath");
  dims.Floating(x.array()).SameType(x, branch);
  Require(x.rank() >= 1 && x.shape() == branch.shape(), dims.operation(), "x ", x.shape(), " and branch ",
          branch.shape(), " must be alike, [ n ... ]");
  RequireRate(dims.operation(), rate, first_sample);
  if (!training || rate == 0 || x.size() == 0) return x + branch;

  const int64_t samples = x.shape()[0], repeated = x.size() / samples;
  Array y = EmptyLike(x.array());
  kernels::DropUnits(Stream::Current(), branch.array(), x.array(), samples, repeated, 1, rate, key, first_sample, y);

  return Record("ResidualDropPath", y, {x, branch}, Saved{},
                [samples, repeated, rate, key, first_sample](const Saved&, const Array& dy, Wanted wanted) {
                  Array dbranch;
                  if (wanted[1]) {
                    dbranch = EmptyLike(dy);
                    kernels::DropUnits(Stream::Current(), dy, Array(), samples, repeated, 1, rate, key, first_sample,
                                       dbranch);
                  }
                  return Gradients{wanted[0] ? dy : Array(), dbranch};
                });
}

}  // namespace autograd
