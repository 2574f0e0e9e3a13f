#include <algorithm>
#include <vector>

#include "autograd/ops/depthwise_conv2d_kernels.h"
#include "autograd/ops/depthwise_tiles_cpu.h"
#include "autograd/runtime/parallel.h"

// float32 and bfloat16 without stride or dilation go to the tiles; the plain loops here serve the rest, and check the
// tiles in float64.

namespace autograd::cpu {
namespace {

// Partial sums of the filter gradient, whatever the thread count.
constexpr int64_t kParts = 16;

// Calls function(u, v, x offset of the pixel) for the taps of output (image, i, j) that lie in the image.
template <typename Function>
void ForEachTap(const DepthwiseGeometry& g, int64_t image, int64_t i, int64_t j, const Function& function) {
  for (int64_t u = 0; u < g.kh; ++u) {
    const int64_t row = i * g.stride + u * g.dilation - g.padding_h();
    if (row < 0 || row >= g.h) continue;
    for (int64_t v = 0; v < g.kw; ++v) {
      const int64_t column = j * g.stride + v * g.dilation - g.padding_w();
      if (column >= 0 && column < g.w) function(u, v, ((image * g.h + row) * g.w + column) * g.c);
    }
  }
}

template <typename T>
void PlainForward(const DepthwiseGeometry& g, const T* x, const T* filter, const T* bias, T* y) {
  using Value = ComputeType<T>;
  ParallelFor(g.n * g.oh, 1, [&](int64_t begin, int64_t end) {
    std::vector<Value> sums(g.c);
    for (int64_t line = begin; line < end; ++line) {
      for (int64_t j = 0; j < g.ow; ++j) {
        for (int64_t c = 0; c < g.c; ++c) sums[c] = bias == nullptr ? Value(0) : static_cast<Value>(bias[c]);
        ForEachTap(g, line / g.oh, line % g.oh, j, [&](int64_t u, int64_t v, int64_t pixel) {
          const T* taps = filter + (u * g.kw + v) * g.c;
          for (int64_t c = 0; c < g.c; ++c) sums[c] += static_cast<Value>(x[pixel + c]) * static_cast<Value>(taps[c]);
        });
        for (int64_t c = 0; c < g.c; ++c) y[(line * g.ow + j) * g.c + c] = static_cast<T>(sums[c]);
      }
    }
  });
}

template <typename T>
void PlainInputGradient(const DepthwiseGeometry& g, const T* filter, const T* dy, T* dx) {
  using Value = ComputeType<T>;
  ParallelFor(g.n * g.h, 1, [&](int64_t begin, int64_t end) {
    std::vector<Value> sums(g.w * g.c);
    for (int64_t line = begin; line < end; ++line) {
      const int64_t image = line / g.h, row = line % g.h;
      std::fill(sums.begin(), sums.end(), Value(0));
      for (int64_t u = 0; u < g.kh; ++u) {
        // Row i·stride + u·dilation − padding of x is this one.
        const int64_t shifted = row + g.padding_h() - u * g.dilation;
        if (shifted < 0 || shifted % g.stride != 0 || shifted / g.stride >= g.oh) continue;
        for (int64_t j = 0; j < g.ow; ++j) {
          const T* upstream = dy + ((image * g.oh + shifted / g.stride) * g.ow + j) * g.c;
          for (int64_t v = 0; v < g.kw; ++v) {
            const int64_t column = j * g.stride + v * g.dilation - g.padding_w();
            if (column < 0 || column >= g.w) continue;
            const T* taps = filter + (u * g.kw + v) * g.c;
            Value* sum = sums.data() + column * g.c;
            for (int64_t c = 0; c < g.c; ++c) sum[c] += static_cast<Value>(upstream[c]) * static_cast<Value>(taps[c]);
          }
        }
      }
      for (int64_t i = 0; i < g.w * g.c; ++i) dx[line * g.w * g.c + i] = static_cast<T>(sums[i]);
    }
  });
}

template <typename T>
void PlainFilterGradient(const DepthwiseGeometry& g, const T* x, const T* dy, T* dfilter, T* dbias) {
  using Value = ComputeType<T>;
  const int64_t taps = g.kh * g.kw, size = (taps + 1) * g.c, lines = g.n * g.oh;
  std::vector<Value> partial(kParts * size);
  ParallelPieces(kParts, [&](int64_t part) {
    Value* sums = partial.data() + part * size;
    for (int64_t line = lines * part / kParts; line < lines * (part + 1) / kParts; ++line) {
      for (int64_t j = 0; j < g.ow; ++j) {
        const T* upstream = dy + (line * g.ow + j) * g.c;
        ForEachTap(g, line / g.oh, line % g.oh, j, [&](int64_t u, int64_t v, int64_t pixel) {
          Value* sum = sums + (u * g.kw + v) * g.c;
          for (int64_t c = 0; c < g.c; ++c)
            sum[c] += static_cast<Value>(upstream[c]) * static_cast<Value>(x[pixel + c]);
        });
        for (int64_t c = 0; c < g.c; ++c) sums[taps * g.c + c] += static_cast<Value>(upstream[c]);
      }
    }
  });
  for (int64_t i = 0; i < size; ++i) {
    Value sum = 0;
    for (int64_t part = 0; part < kParts; ++part) sum += partial[part * size + i];
    if (i < taps * g.c) {
      dfilter[i] = static_cast<T>(sum);
    } else if (dbias != nullptr) {
      dbias[i - taps * g.c] = static_cast<T>(sum);
    }
  }
}

template <typename T>
constexpr bool kHasTiles = !std::is_same_v<T, double>;

}  // namespace

void DepthwiseConv2dForward(Stream&, const DepthwiseGeometry& geometry, const Array& x, const Array& filter,
                            const Array& bias, Array& y) {
  if (y.size() == 0) return;
  VisitFloating("DepthwiseConv2d", y.dtype(), [&]<typename T>(T) {
    const T* shift = bias.defined() ? bias.data<T>() : nullptr;
    if constexpr (kHasTiles<T>) {
      if (geometry.dense()) return TiledDepthwiseForward(geometry, x.data<T>(), filter.data<T>(), shift, y.data<T>());
    }
    PlainForward(geometry, x.data<T>(), filter.data<T>(), shift, y.data<T>());
  });
}

void DepthwiseConv2dInputGradient(Stream&, const DepthwiseGeometry& geometry, const Array& filter, const Array& dy,
                                  Array& dx) {
  if (dx.size() == 0) return;
  VisitFloating("DepthwiseConv2d", dx.dtype(), [&]<typename T>(T) {
    if constexpr (kHasTiles<T>) {
      if (geometry.dense()) return TiledDepthwiseInputGradient(geometry, filter.data<T>(), dy.data<T>(), dx.data<T>());
    }
    PlainInputGradient(geometry, filter.data<T>(), dy.data<T>(), dx.data<T>());
  });
}

void DepthwiseConv2dFilterGradient(Stream& stream, const DepthwiseGeometry& geometry, const Array& x, const Array& dy,
                                   Array& dfilter, Array& dbias) {
  if (dy.size() == 0) {
    stream.FillZero(dfilter.raw(), dfilter.bytes());
    if (dbias.defined()) stream.FillZero(dbias.raw(), dbias.bytes());
    return;
  }
  VisitFloating("DepthwiseConv2d", dfilter.dtype(), [&]<typename T>(T) {
    T* shift = dbias.defined() ? dbias.data<T>() : nullptr;
    if constexpr (kHasTiles<T>) {
      if (geometry.dense())
        return TiledDepthwiseFilterGradient(geometry, x.data<T>(), dy.data<T>(), dfilter.data<T>(), shift);
    }
    PlainFilterGradient(geometry, x.data<T>(), dy.data<T>(), dfilter.data<T>(), shift);
  });
}

}  // namespace autograd::cpu
