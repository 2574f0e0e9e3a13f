#include <algorithm>

#include "autograd/ops/pooling_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// Channels that are worked on together, in registers and L1.
constexpr int64_t kChunk = 64;

int64_t RowGrain(int64_t elements_per_row) {
  return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, elements_per_row));
}

}  // namespace

void MaxPool2dForward(Stream&, const Array& x, const PoolWindow& window, Array& y, Array& argument) {
  const auto [kernel, stride, padding] = window;
  const int64_t height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3];
  const int64_t out_height = y.shape()[1], out_width = y.shape()[2];
  if (y.size() == 0) return;
  uint8_t* arguments = argument.defined() ? argument.data<uint8_t>() : nullptr;
  VisitFloating("MaxPool2d", x.dtype(), [&, kernel = kernel, stride = stride, padding = padding]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = x.data<T>();
    T* out = y.data<T>();

    // One result of up to kChunk channels, from window position (i, j) of the image at `image`.
    auto pool = [=](const T* image, int64_t i, int64_t j, int64_t length, T* to, uint8_t* to_argument) {
      Value best[kChunk];
      int32_t where[kChunk];
      const int64_t top = i * stride - padding, left = j * stride - padding;
      const int64_t first_row = std::max<int64_t>(0, top), first_column = std::max<int64_t>(0, left);
      const T* first = image + (first_row * width + first_column) * channels;
      const int32_t first_offset = static_cast<int32_t>((first_row - top) * kernel + first_column - left);
      for (int64_t c = 0; c < length; ++c) {
        best[c] = static_cast<Value>(first[c]);
        where[c] = first_offset;
      }
      for (int64_t h = first_row; h < std::min(height, top + kernel); ++h) {
        for (int64_t w = first_column; w < std::min(width, left + kernel); ++w) {
          const T* from = image + (h * width + w) * channels;
          const int32_t offset = static_cast<int32_t>((h - top) * kernel + w - left);
          for (int64_t c = 0; c < length; ++c) {
            const Value value = static_cast<Value>(from[c]);
            const bool better = value > best[c] || value != value;
            best[c] = better ? value : best[c];
            where[c] = better ? offset : where[c];
          }
        }
      }
      for (int64_t c = 0; c < length; ++c) to[c] = static_cast<T>(best[c]);
      if (to_argument != nullptr) {
        for (int64_t c = 0; c < length; ++c) to_argument[c] = static_cast<uint8_t>(where[c]);
      }
    };
    ParallelFor(y.shape()[0] * out_height, RowGrain(out_width * channels * kernel), [=](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* image = in + row / out_height * height * width * channels;
        for (int64_t j = 0; j < out_width; ++j) {
          const int64_t position = (row * out_width + j) * channels;
          for (int64_t c = 0; c < channels; c += kChunk) {
            pool(image + c, row % out_height, j, std::min(kChunk, channels - c), out + position + c,
                 arguments != nullptr ? arguments + position + c : nullptr);
          }
        }
      }
    });
  });
}

void MaxPool2dGradient(Stream&, const Array& dy, const Array& argument, const PoolWindow& window, Array& dx) {
  const auto [kernel, stride, padding] = window;
  const int64_t height = dx.shape()[1], width = dx.shape()[2], channels = dx.shape()[3];
  const int64_t out_height = dy.shape()[1], out_width = dy.shape()[2];
  if (dx.size() == 0) return;
  const uint8_t* arguments = argument.data<uint8_t>();
  VisitFloating(
      "MaxPool2dGradient", dx.dtype(), [&, kernel = kernel, stride = stride, padding = padding]<typename T>(T) {
        using Value = ComputeType<T>;
        const T* upstream = dy.data<T>();
        T* out = dx.data<T>();

        // The first window that covers pixel p, and the one behind the last.
        auto first_window = [=](int64_t p) { return std::max<int64_t>(0, (p + padding - kernel + stride) / stride); };
        auto window_end = [=](int64_t p, int64_t count) { return std::min(count, (p + padding) / stride + 1); };
        ParallelFor(dx.shape()[0] * height, RowGrain(width * channels), [=](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            const int64_t h = row % height, image = row / height;
            for (int64_t w = 0; w < width; ++w) {
              for (int64_t first = 0; first < channels; first += kChunk) {
                const int64_t length = std::min(kChunk, channels - first);
                Value sums[kChunk] = {};
                for (int64_t i = first_window(h); i < window_end(h, out_height); ++i) {
                  for (int64_t j = first_window(w); j < window_end(w, out_width); ++j) {
                    const int64_t position = ((image * out_height + i) * out_width + j) * channels + first;
                    const int32_t here =
                        static_cast<int32_t>((h + padding - i * stride) * kernel + w + padding - j * stride);
                    for (int64_t c = 0; c < length; ++c) {
                      const Value gradient = static_cast<Value>(upstream[position + c]);
                      sums[c] += arguments[position + c] == here ? gradient : Value(0);
                    }
                  }
                }
                T* to = out + (row * width + w) * channels + first;
                for (int64_t c = 0; c < length; ++c) to[c] = static_cast<T>(sums[c]);
              }
            }
          }
        });
      });
}

}  // namespace autograd::cpu
