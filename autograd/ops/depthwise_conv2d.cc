#include "autograd/ops/depthwise_conv2d.h"

#include "autograd/core/dims.h"
#include "autograd/ops/depthwise_conv2d_kernels.h"
#include "autograd/ops/reduce_kernels.h"

namespace autograd {

Variable DepthwiseConv2d(const Variable& x, const Variable& filter, const Variable& bias,
                         const DepthwiseConv2dOptions& options) {
  static constexpr char kOperation[] = "DepthwiseConv2d";  // the tape keeps the pointer
  Dims dims(kOperation);
  dims.Match(x, "x: n h w c").Match(filter, "filter: kh kw c").SameType(x, filter).Floating(x.array());
  if (bias.defined()) dims.Match(bias, "bias: c").SameType(x, bias);
  DepthwiseGeometry g;
  g.n = dims["n"], g.h = dims["h"], g.w = dims["w"], g.c = dims["c"], g.kh = dims["kh"], g.kw = dims["kw"];
  g.stride = options.stride, g.dilation = options.dilation;
  Require(g.kh % 2 == 1 && g.kw % 2 == 1, kOperation, "filter ", filter.shape(), " must have odd height and width");
  Require(g.stride >= 1 && g.dilation >= 1, kOperation, "stride ", g.stride, " and dilation ", g.dilation,
          " must be positive");
  g.oh = (g.h + g.stride - 1) / g.stride;
  g.ow = (g.w + g.stride - 1) / g.stride;

  Array y = Array::Empty({g.n, g.oh, g.ow, g.c}, x.dtype());
  kernels::DepthwiseConv2dForward(Stream::Current(), g, x.array(), filter.array(), bias.array(), y);

  return Record(kOperation, y, {x, filter, bias}, Saved{x.array(), filter.array()},
                [g](const Saved& saved, const Array& dy, Wanted wanted) {
                  Gradients gradients(3);
                  if (wanted[0]) {
                    gradients[0] = EmptyLike(saved[0]);
                    kernels::DepthwiseConv2dInputGradient(Stream::Current(), g, saved[1], dy, gradients[0]);
                  }
                  if (wanted[2]) gradients[2] = Array::Empty({g.c}, dy.dtype());
                  if (wanted[1]) {
                    gradients[1] = EmptyLike(saved[1]);
                    kernels::DepthwiseConv2dFilterGradient(Stream::Current(), g, saved[0], dy, gradients[1],
                                                           gradients[2]);
                  } else if (wanted[2]) {
                    kernels::SumMiddle(Stream::Current(), dy, 1, g.n * g.oh * g.ow, g.c, 1.0, gradients[2]);
                  }
                  return gradients;
                });
}

}  // namespace autograd
