#include "autograd/ops/cast.h"

#include "autograd/core/array_kernels.h"
#include "autograd/core/dims.h"

namespace autograd {
namespace {

Array Converted(const Array& x, DType dtype) {
  Array y = Array::Empty(x.shape(), dtype);
  kernels::Convert(Stream::Current(), x, y);
  return y;
}

}  // namespace

Variable Cast(const Variable& x, DType dtype) {
  Dims dims("Cast");
  Require(x.defined(), dims.operation(), "x is missing");
  dims.Floating(x.array());
  Require(IsFloating(dtype), dims.operation(), "to a floating dtype only, not ", dtype);
  const DType from = x.dtype();
  if (from == dtype) return x;

  const bool parameter = x.parameter() != nullptr;
  Array y = parameter && dtype == kBFloat16 ? x.parameter()->BFloat16Copy() : Converted(x.array(), dtype);

  return Record("Cast", y, {x}, Saved{}, [from, parameter](const Saved&, const Array& dy, Wanted) {
    // Where gradients of parameters are added up, they are converted.
    return Gradients{parameter ? dy : Converted(dy, from)};
  });
}

}  // namespace autograd
