#include <vector>

#include "autograd/core/array_kernels.h"
#include "autograd/core/tables_cuda.h"

namespace autograd::cuda {
namespace {

// Calls work(i, std::integral_constant<int, kCount>()) for this thread's share of `count` elements, kSize of them at
// once where `packed` says that the addresses allow it.
template <int kSize, typename Work>
__device__ void ForEachPack(int64_t count, bool packed, const Work& work) {
  const int64_t tail = packed ? count / kSize * kSize : 0;
  for (int64_t i = GridIndex() * kSize; i < tail; i += GridStride() * kSize)
    work(i, std::integral_constant<int, kSize>());
  for (int64_t i = tail + GridIndex(); i < count; i += GridStride()) work(i, std::integral_constant<int, 1>());
}

template <typename T>
__global__ void FillKernel(T* y, int64_t count, bool packed, T value) {
  ForEachPack<Pack<T>::kSize>(count, packed, [=]<int kCount>(int64_t i, std::integral_constant<int, kCount>) {
    ComputeType<T> values[kCount];
    for (int k = 0; k < kCount; ++k) values[k] = static_cast<ComputeType<T>>(value);
    StoreMany(y + i, values);
  });
}

// A pack of the narrower of the two.
template <typename From, typename To>
constexpr int kConverted = std::max(Pack<From>::kSize, Pack<To>::kSize);

template <typename From, typename To>
__global__ void ConvertKernel(const From* x, To* y, int64_t count, bool packed) {
  ForEachPack<kConverted<From, To>>(count, packed, [=]<int kCount>(int64_t i, std::integral_constant<int, kCount>) {
    ComputeType<From> values[kCount];
    ComputeType<To> converted[kCount];
    LoadMany(x + i, values);
    for (int k = 0; k < kCount; ++k) converted[k] = static_cast<ComputeType<To>>(values[k]);
    StoreMany(y + i, converted);
  });
}

template <typename T>
__global__ void AccumulateKernel(const T* x, T* y, int64_t count, bool packed) {
  ForEachPack<Pack<T>::kSize>(count, packed, [=]<int kCount>(int64_t i, std::integral_constant<int, kCount>) {
    ComputeType<T> values[kCount], sums[kCount];
    LoadMany(x + i, values);
    LoadMany(y + i, sums);
    for (int k = 0; k < kCount; ++k) sums[k] += values[k];
    StoreMany(y + i, sums);
  });
}

template <typename From, typename To>
struct AdditionTensor {
  const From* x;
  To* sum;
  int64_t size;
};

template <typename From, typename To>
__global__ void __launch_bounds__(kBlock)
    AccumulateAllKernel(const __grid_constant__ Table<AdditionTensor<From, To>> table) {
  constexpr int kSize = kConverted<From, To>;
  const TableChunk chunk = FindChunk(table);
  const AdditionTensor<From, To> tensor = table.tensors[chunk.tensor];
  const auto add = [=]<int kCount>(int64_t i, std::integral_constant<int, kCount>) {
    ComputeType<From> values[kCount];
    ComputeType<To> sums[kCount];
    LoadMany(tensor.x + i, values);
    LoadMany(tensor.sum + i, sums);
    for (int k = 0; k < kCount; ++k)
      sums[k] += static_cast<ComputeType<To>>(static_cast<To>(static_cast<ComputeType<To>>(values[k])));
    StoreMany(tensor.sum + i, sums);
  };
  // A chunk begins at a multiple of a pack.
  const bool packed = (reinterpret_cast<uintptr_t>(tensor.x) | reinterpret_cast<uintptr_t>(tensor.sum)) % 16 == 0;
  const int64_t tail = packed ? chunk.end / kSize * kSize : chunk.begin;
  for (int64_t i = chunk.begin + threadIdx.x * kSize; i < tail; i += kBlock * kSize)
    add(i, std::integral_constant<int, kSize>());
  for (int64_t i = tail + threadIdx.x; i < chunk.end; i += kBlock) add(i, std::integral_constant<int, 1>());
}

template <typename From, typename To>
void AccumulateAllOf(Stream& stream, std::span<const Addition> additions) {
  std::vector<AdditionTensor<From, To>> tensors;
  for (const Addition& addition : additions) {
    if (addition.x.dtype() != DTypeOf<From>::value || addition.sum.dtype() != DTypeOf<To>::value) continue;
    tensors.push_back({addition.x.data<From>(), Array(addition.sum).data<To>(), addition.sum.size()});
  }
  ForEachTable(std::span<const AdditionTensor<From, To>>(tensors), [&](const auto& table, int blocks) {
    Launch("AccumulateAll", stream, blocks, kBlock, AccumulateAllKernel<From, To>, table);
  });
}

}  // namespace

void Fill(Stream& stream, Array& y, double value) {
  if (y.size() == 0) return;
  VisitAny("Fill", y.dtype(), [&]<typename T>(T) {
    const bool packed = Aligned(y.raw());
    Launch("Fill", stream, BlocksOfPacks<T>(y.size(), packed), kBlock, FillKernel<T>, y.data<T>(), y.size(), packed,
           static_cast<T>(static_cast<ComputeType<T>>(value)));
  });
}

void Convert(Stream& stream, const Array& x, Array& y) {
  if (x.size() == 0) return;
  VisitFloating("Convert", x.dtype(), [&]<typename From>(From) {
    VisitFloating("Convert", y.dtype(), [&]<typename To>(To) {
      const bool packed = Aligned(x.raw(), y.raw());
      const int64_t threads = packed ? (x.size() + kConverted<From, To> - 1) / kConverted<From, To> : x.size();
      Launch("Convert", stream, Blocks(threads), kBlock, ConvertKernel<From, To>, x.data<From>(), y.data<To>(),
             x.size(), packed);
    });
  });
}

void Accumulate(Stream& stream, const Array& x, Array& y) {
  if (x.size() == 0) return;
  VisitFloating("Accumulate", y.dtype(), [&]<typename T>(T) {
    const bool packed = Aligned(x.raw(), y.raw());
    Launch("Accumulate", stream, BlocksOfPacks<T>(x.size(), packed), kBlock, AccumulateKernel<T>, x.data<T>(),
           y.data<T>(), x.size(), packed);
  });
}

void AccumulateAll(Stream& stream, std::span<const Addition> additions) {
  for (const DType from : {kFloat32, kBFloat16, kFloat64}) {
    VisitFloating("AccumulateAll", from, [&]<typename From>(From) {
      for (const DType to : {kFloat32, kBFloat16, kFloat64}) {
        VisitFloating("AccumulateAll", to, [&]<typename To>(To) { AccumulateAllOf<From, To>(stream, additions); });
      }
    });
  }
}

}  // namespace autograd::cuda
