#include "autograd/ops/bias_activation_cuda.h"
#include "autograd/ops/conv2d_cuda.h"
#include "autograd/ops/conv2d_kernels.h"

namespace autograd::cuda {
namespace {

// Products go to cuDNN. These kernels take what it declines: float64 for gradient checks, unusual groups. They are
// right, not fast.

template <typename T>
__global__ void ForwardKernel(const Conv2dGeometry g, const T* x, const T* filter, T* y) {
  const int64_t count = g.positions() * g.o, channels = g.group_channels();
  for (int64_t i = GridIndex(); i < count; i += GridStride()) {
    const int64_t o = i % g.o, position = i / g.o;
    const int64_t column = position % g.ow, row = position / g.ow % g.oh, image = position / g.ow / g.oh;
    const int64_t first_channel = o / g.group_outputs() * channels;
    ComputeType<T> sum = 0;
    for (int64_t u = 0; u < g.kh; ++u) {
      const int64_t h = row * g.stride + u * g.dilation - g.padding;
      if (h < 0 || h >= g.h) continue;
      for (int64_t v = 0; v < g.kw; ++v) {
        const int64_t w = column * g.stride + v * g.dilation - g.padding;
        if (w < 0 || w >= g.w) continue;
        const T* pixel = x + ((image * g.h + h) * g.w + w) * g.c + first_channel;
        const T* tap = filter + ((o * g.kh + u) * g.kw + v) * channels;
        for (int64_t c = 0; c < channels; ++c) sum += Load(pixel + c) * Load(tap + c);
      }
    }
    y[i] = static_cast<T>(sum);
  }
}

template <typename T>
__global__ void InputGradientKernel(const Conv2dGeometry g, const T* filter, const T* dy, T* dx) {
  const int64_t count = g.n * g.h * g.w * g.c, channels = g.group_channels(), outputs = g.group_outputs();
  for (int64_t i = GridIndex(); i < count; i += GridStride()) {
    const int64_t channel = i % g.c, pixel = i / g.c;
    const int64_t w = pixel % g.w, h = pixel / g.w % g.h, image = pixel / g.w / g.h;
    const int64_t group = channel / channels, c = channel % channels;
    ComputeType<T> sum = 0;
    for (int64_t u = 0; u < g.kh; ++u) {
      const int64_t from_row = h + g.padding - u * g.dilation;
      if (from_row < 0 || from_row % g.stride != 0 || from_row / g.stride >= g.oh) continue;
      for (int64_t v = 0; v < g.kw; ++v) {
        const int64_t from_column = w + g.padding - v * g.dilation;
        if (from_column < 0 || from_column % g.stride != 0 || from_column / g.stride >= g.ow) continue;
        const T* upstream =
            dy + ((image * g.oh + from_row / g.stride) * g.ow + from_column / g.stride) * g.o + group * outputs;
        for (int64_t o = 0; o < outputs; ++o) {
          sum += Load(upstream + o) * Load(filter + (((group * outputs + o) * g.kh + u) * g.kw + v) * channels + c);
        }
      }
    }
    dx[i] = static_cast<T>(sum);
  }
}

// One warp an element of the filter.
template <typename T>
__global__ void FilterGradientKernel(const Conv2dGeometry g, const T* x, const T* dy, T* dfilter) {
  const int lane = threadIdx.x % kWarp;
  const int64_t channels = g.group_channels(), count = g.o * g.kh * g.kw * channels;
  for (int64_t i = GridIndex() / kWarp; i < count; i += GridStride() / kWarp) {
    const int64_t c = i % channels, v = i / channels % g.kw, u = i / channels / g.kw % g.kh,
                  o = i / channels / g.kw / g.kh;
    const int64_t channel = o / g.group_outputs() * channels + c;
    ComputeType<T> sum = 0;
    for (int64_t position = lane; position < g.positions(); position += kWarp) {
      const int64_t h = position / g.ow % g.oh * g.stride + u * g.dilation - g.padding;
      const int64_t w = position % g.ow * g.stride + v * g.dilation - g.padding;
      if (h < 0 || h >= g.h || w < 0 || w >= g.w) continue;
      const int64_t image = position / g.ow / g.oh;
      sum += Load(dy + position * g.o + o) * Load(x + ((image * g.h + h) * g.w + w) * g.c + channel);
    }
    sum = WarpSum(sum);
    if (lane == 0) dfilter[i] = static_cast<T>(sum);
  }
}

}  // namespace

void Conv2dForward(Stream& stream, const Conv2dGeometry& geometry, const Array& x, const Array& filter,
                   const Array& bias, Activation activation, WeightLayouts*, Array& y) {
  if (y.size() == 0) return;
  if (!Conv2dByCudnn(stream, Conv2dProduct::kForward, geometry, x, filter, y)) {
    VisitFloating("Conv2d", y.dtype(), [&]<typename T>(T) {
      Launch("Conv2d", stream, Blocks(y.size()), kBlock, ForwardKernel<T>, geometry, x.data<T>(), filter.data<T>(),
             y.data<T>());
    });
  }
  Array no_copy;
  AddBiasAndActivate("Conv2d", stream, bias, activation, no_copy, y);
}

void Conv2dInputGradient(Stream& stream, const Conv2dGeometry& geometry, const Array& filter, const Array& dy,
                         Array& dx) {
  if (dx.size() == 0) return;
  if (dy.size() == 0) return stream.FillZero(dx.raw(), dx.bytes());
  if (Conv2dByCudnn(stream, Conv2dProduct::kInputGradient, geometry, dx, filter, dy)) return;
  VisitFloating("Conv2d", dx.dtype(), [&]<typename T>(T) {
    Launch("Conv2d", stream, Blocks(dx.size()), kBlock, InputGradientKernel<T>, geometry, filter.data<T>(),
           dy.data<T>(), dx.data<T>());
  });
}

void Conv2dFilterGradient(Stream& stream, const Conv2dGeometry& geometry, const Array& x, const Array& dy,
                          Array& dfilter) {
  if (dfilter.size() == 0) return;
  if (dy.size() == 0) return stream.FillZero(dfilter.raw(), dfilter.bytes());
  if (Conv2dByCudnn(stream, Conv2dProduct::kFilterGradient, geometry, x, dfilter, dy)) return;
  VisitFloating("Conv2d", dfilter.dtype(), [&]<typename T>(T) {
    Launch("Conv2d", stream, Blocks(dfilter.size() * kWarp), kBlock, FilterGradientKernel<T>, geometry, x.data<T>(),
           dy.data<T>(), dfilter.data<T>());
  });
}

}  // namespace autograd::cuda
