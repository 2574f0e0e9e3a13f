#include "autograd/ops/conv2d.h"

#include "autograd/core/dims.h"
#include "autograd/ops/conv2d_kernels.h"
#include "autograd/ops/elementwise_kernels.h"
#include "autograd/ops/reduce_kernels.h"

namespace autograd {
namespace {

constexpr char kOperation[] = "Conv2d";

Conv2dGeometry Geometry(Dims& dims, const Variable& x, const Variable& filter, const Conv2dOptions& options) {
  dims.Match(x, "x: n h w c").Match(filter, "filter: o kh kw _").SameType(x, filter).Floating(x.array());
  Conv2dGeometry g;
  g.n = dims["n"], g.h = dims["h"], g.w = dims["w"], g.c = dims["c"];
  g.o = dims["o"], g.kh = dims["kh"], g.kw = dims["kw"];
  g.stride = options.stride, g.padding = options.padding, g.dilation = options.dilation, g.groups = options.groups;
  Require(g.stride >= 1 && g.dilation >= 1 && g.padding >= 0 && g.groups >= 1, kOperation, "stride ", g.stride,
          ", padding ", g.padding, ", dilation ", g.dilation, ", groups ", g.groups,
          " must be positive (padding may be 0)");
  Require(g.c % g.groups == 0 && g.o % g.groups == 0, kOperation, g.groups, " groups do not divide c of x ", x.shape(),
          " and o of filter ", filter.shape());
  Require(filter.shape()[3] * g.groups == g.c, kOperation, "c is ", g.c, " in x ", x.shape(), " but ",
          filter.shape()[3], " · ", g.groups, " groups in filter ", filter.shape());
  Require(g.kh >= 1 && g.kw >= 1, kOperation, "filter ", filter.shape(), " has no taps");
  Require(g.h + 2 * g.padding >= g.extent_h() && g.w + 2 * g.padding >= g.extent_w(), kOperation, "filter ",
          filter.shape(), " with dilation ", g.dilation, " does not fit x ", x.shape(), " padded by ", g.padding);
  g.oh = (g.h + 2 * g.padding - g.extent_h()) / g.stride + 1;
  g.ow = (g.w + 2 * g.padding - g.extent_w()) / g.stride + 1;
  return g;
}

}  // namespace

Variable Conv2d(const Variable& x, const Variable& filter, const Variable& bias, const Conv2dOptions& options) {
  Dims dims(kOperation);
  const Conv2dGeometry geometry = Geometry(dims, x, filter, options);
  if (bias.defined()) dims.Match(bias, "bias: o").SameType(x, bias);
  const bool relu = options.activation == Activation::kRelu;
  Require(relu || options.activation == Activation::kNone, kOperation, "the activation may be kNone or kRelu");

  Require(options.layouts == nullptr || !WillRecord({x, filter, bias}), kOperation,
          "a filter that is trained has no layouts to keep");

  Array y = Array::Empty({geometry.n, geometry.oh, geometry.ow, geometry.o}, x.dtype());
  kernels::Conv2dForward(Stream::Current(), geometry, x.array(), filter.array(), bias.array(), options.activation,
                         options.layouts, y);

  return Record(kOperation, y, {x, filter, bias}, Saved{x.array(), filter.array(), relu ? y : Array()},
                [geometry, relu](const Saved& saved, const Array& upstream, Wanted wanted) {
                  Array dy = upstream;
                  if (relu) {
                    dy = EmptyLike(upstream);
                    kernels::UnaryGradient(Stream::Current(), UnaryFunction::kRelu, 0, 0, saved[2], upstream, dy);
                  }
                  Gradients gradients(3);
                  if (wanted[0]) {
                    gradients[0] = EmptyLike(saved[0]);
                    kernels::Conv2dInputGradient(Stream::Current(), geometry, saved[1], dy, gradients[0]);
                  }
                  if (wanted[1]) {
                    gradients[1] = EmptyLike(saved[1]);
                    kernels::Conv2dFilterGradient(Stream::Current(), geometry, saved[0], dy, gradients[1]);
                  }
                  if (wanted[2]) {
                    gradients[2] = Array::Empty({geometry.o}, dy.dtype());
                    kernels::SumMiddle(Stream::Current(), dy, 1, geometry.positions(), geometry.o, 1.0, gradients[2]);
                  }
                  return gradients;
                });
}

}  // namespace autograd
