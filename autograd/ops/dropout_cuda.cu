#include <algorithm>

#include "autograd/ops/channels_cuda.h"
#include "autograd/ops/dropout_kernels.h"
#include "autograd/ops/dropout_units.h"

namespace autograd::cuda {
namespace {

template <typename Value>
struct Mask {
  // The factors of the kCount units from `first` on.
  template <int kCount>
  __device__ void Draw(int64_t first, Value (&factors)[kCount]) const {
    PhiloxWords words = Philox(key, static_cast<uint64_t>(first_unit + first) / 4);
    for (int k = 0; k < kCount; ++k) {
      const uint64_t unit = static_cast<uint64_t>(first_unit + first + k);
      if (k > 0 && unit % 4 == 0) words = Philox(key, unit / 4);
      const uint32_t low = unit % 2 == 0 ? words.x : words.y, high = unit % 2 == 0 ? words.z : words.w;
      factors[k] = UnitFactor(unit % 4 < 2 ? low : high, rate, kept);
    }
  }

  RandomKey key;
  int64_t first_unit;
  float rate;
  Value kept;
};

// Elements [first, first + kCount); with kAdds those of `addend` are added, which is null otherwise.
template <bool kAdds, int kCount, typename T, typename Value>
__device__ inline void DropMany(const T* x, const T* addend, const Value (&factors)[kCount], int64_t first, T* y) {
  Value values[kCount], added[kCount];
  LoadMany(x + first, values);
  if constexpr (kAdds) LoadMany(addend + first, added);
  for (int k = 0; k < kCount; ++k) {
    values[k] = Dropped(values[k], factors[k]);
    if constexpr (kAdds) values[k] += added[k];
  }
  StoreMany(y + first, values);
}

// Every element is a unit; kWidth neighbours, whole draws, at a time.
template <bool kAdds, int kWidth, typename T, typename Value = ComputeType<T>>
__global__ void ElementsKernel(const T* x, const T* addend, int64_t count, bool packed, Mask<Value> mask, T* y) {
  mask.key = mask.key.Now();
  for (int64_t i = GridIndex() * kWidth; i < count; i += GridStride() * kWidth) {
    Value factors[kWidth];
    mask.Draw(i, factors);
    if (packed && i + kWidth <= count) {
      DropMany<kAdds>(x, addend, factors, i, y);
    } else {
      for (int k = 0; k < kWidth && i + k < count; ++k) {
        const Value factor[] = {factors[k]};
        DropMany<kAdds>(x, addend, factor, i + k, y);
      }
    }
  }
}

// One unit for each o, or for each o and channel; a thread draws its units once and walks down the rows.
template <bool kAdds, typename T>
struct RowsMap {
  using Value = ComputeType<T>;

  template <int kWidth>
  struct Column {
    __device__ Column(const RowsMap& map, int64_t o, int64_t c) : x(map.x), addend(map.addend), y(map.y) {
      Mask<Value> mask = map.mask;
      mask.key = mask.key.Now();
      if (map.channels > 0) {
        mask.Draw(o * map.channels + c, factors);
      } else {
        Value unit[1];
        mask.Draw(o, unit);
        for (int k = 0; k < kWidth; ++k) factors[k] = unit[0];
      }
    }
    __device__ void Apply(int64_t offset) const { DropMany<kAdds>(x, addend, factors, offset, y); }
    const T *x, *addend;
    T* y;
    Value factors[kWidth];
  };

  Mask<Value> mask;
  int64_t channels;  // 0: one unit for each o
  const T *x, *addend;
  T* y;
};

template <bool kAdds, typename T>
void Drop(Stream& stream, const T* x, const T* addend, int64_t outer, int64_t repeated, int64_t inner,
          const Mask<ComputeType<T>>& mask, T* y) {
  constexpr int kSize = Pack<T>::kSize, kUnits = std::max(4, kSize);
  const bool aligned = Aligned(x, addend, y);
  if (repeated == 1) {
    const int64_t count = outer * inner;
    return Launch("Dropout", stream, Blocks((count + kUnits - 1) / kUnits), kBlock, ElementsKernel<kAdds, kUnits, T>, x,
                  addend, count, aligned, mask, y);
  }
  // Samples are cut into rows of a power of two, so that packs fit where they can.
  const bool whole_samples = inner == 1;
  const int64_t width = whole_samples ? std::min<int64_t>(256, repeated & -repeated) : inner;
  MapChannels<kSize>("Dropout", stream, outer, whole_samples ? repeated / width : repeated, width,
                     aligned && width % kSize == 0, RowsMap<kAdds, T>{mask, whole_samples ? 0 : inner, x, addend, y});
}

}  // namespace

void DropUnits(Stream& stream, const Array& x, const Array& addend, int64_t outer, int64_t repeated, int64_t inner,
               double rate, RandomKey key, int64_t first_unit, Array& y) {
  if (x.size() == 0) return;
  VisitFloating("Dropout", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const Mask<Value> mask{key, first_unit, static_cast<float>(rate), static_cast<Value>(1 / (1 - rate))};
    if (addend.defined()) {
      Drop<true, T>(stream, x.data<T>(), addend.data<T>(), outer, repeated, inner, mask, y.data<T>());
    } else {
      Drop<false, T>(stream, x.data<T>(), nullptr, outer, repeated, inner, mask, y.data<T>());
    }
  });
}

}  // namespace autograd::cuda
