#include "autograd/core/launch_cuda.h"
#include "autograd/ops/block_sums_cuda.h"
#include "rl/estimators/masked_mean_kernels.h"

namespace rl::cuda {

using autograd::Array;
using autograd::ComputeType;
using autograd::kFloat64;
using autograd::Stream;
using autograd::VisitFloating;
using autograd::cuda::Blocks;
using autograd::cuda::BlockSum;
using autograd::cuda::GridIndex;
using autograd::cuda::GridStride;
using autograd::cuda::kBlock;
using autograd::cuda::kWarp;
using autograd::cuda::Launch;
using autograd::cuda::Load;

namespace {

constexpr int64_t kChunk = 1 << 13;  // entries that a block sums

struct Mask {
  explicit Mask(const Array& valid)
      : values(valid.defined() ? valid.data<uint8_t>() : nullptr), positions(valid.defined() ? valid.size() : 0) {}
  __device__ bool Counts(int64_t i) const { return values == nullptr || values[i % positions] != 0; }
  // n·count, the number that a sum of `size` entries is divided by.
  __device__ double Divisor(int64_t size, const double* count) const {
    const double samples = positions > 0 ? static_cast<double>(size / positions) : 1.0;
    return samples * *count;
  }

  const uint8_t* values;
  int64_t positions;
};

// partial[chunk] = Σ of value(i) over the chunk's entries.
template <typename Value>
__global__ void __launch_bounds__(kBlock) SumChunksKernel(Value value, int64_t size, int64_t chunks, double* partial) {
  SHARED_MEMORY(shared, double[kWarp]);
  for (int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const int64_t last = min(size, (chunk + 1) * kChunk);
    double sum = 0;
    for (int64_t i = chunk * kChunk + threadIdx.x; i < last; i += kBlock) sum += value(i);
    sum = BlockSum(sum, shared);
    if (threadIdx.x == 0) partial[chunk] = sum;
  }
}

// One block: finish(Σ partial).
template <typename Finish>
__global__ void __launch_bounds__(kBlock) AddChunksKernel(const double* partial, int64_t chunks, Finish finish) {
  SHARED_MEMORY(shared, double[kWarp]);
  double sum = 0;
  for (int64_t chunk = threadIdx.x; chunk < chunks; chunk += kBlock) sum += partial[chunk];
  sum = BlockSum(sum, shared);
  if (threadIdx.x == 0) finish(sum);
}

template <typename Value, typename Finish>
void SumEntries(const char* operation, Stream& stream, int64_t size, const Value& value, const Finish& finish) {
  const int64_t chunks = (size + kChunk - 1) / kChunk;
  Array partial = Array::Empty({chunks}, kFloat64);
  if (chunks > 0) {
    Launch(operation, stream, Blocks(chunks, 1), kBlock, SumChunksKernel<Value>, value, size, chunks,
           partial.data<double>());
  }
  Launch(operation, stream, 1, kBlock, AddChunksKernel<Finish>, partial.data<double>(), chunks, finish);
}

struct IsValid {
  const uint8_t* valid;
  __device__ double operator()(int64_t i) const { return valid[i] != 0 ? 1.0 : 0.0; }
};

struct StoreSum {
  double* sum;
  __device__ void operator()(double value) const { *sum = value; }
};

template <typename T>
struct ValidEntry {
  const T* x;
  Mask mask;
  __device__ double operator()(int64_t i) const { return mask.Counts(i) ? static_cast<double>(Load(x + i)) : 0.0; }
};

template <typename T>
struct StoreMean {
  int64_t size;
  Mask mask;
  const double* count;
  T* mean;
  __device__ void operator()(double sum) const {
    const double divisor = mask.Divisor(size, count);
    *mean = static_cast<T>(divisor > 0 ? sum / divisor : 0.0);
  }
};

template <typename T, typename Value>
__global__ void GradientKernel(const Value* dy, Mask mask, const double* count, int64_t size, T* dx) {
  const double divisor = mask.Divisor(size, count);
  const double gradient = divisor > 0 ? static_cast<double>(*dy) / divisor : 0.0;
  const T each = static_cast<T>(static_cast<ComputeType<T>>(gradient)), none = static_cast<T>(ComputeType<T>(0));
  for (int64_t i = GridIndex(); i < size; i += GridStride()) dx[i] = mask.Counts(i) ? each : none;
}

}  // namespace

void CountValid(Stream& stream, const Array& valid, Array& count) {
  SumEntries("CountValid", stream, valid.size(), IsValid{valid.data<uint8_t>()}, StoreSum{count.data<double>()});
}

void MaskedMean(Stream& stream, const Array& x, const Array& valid, const Array& count, Array& y) {
  VisitFloating("MaskedMean", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const Mask mask(valid);
    SumEntries("MaskedMean", stream, x.size(), ValidEntry<T>{x.data<T>(), mask},
               StoreMean<Value>{x.size(), mask, count.data<double>(), y.data<Value>()});
  });
}

void MaskedMeanGradient(Stream& stream, const Array& dy, const Array& valid, const Array& count, Array& dx) {
  if (dx.size() == 0) return;
  VisitFloating("MaskedMean", dx.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    Launch("MaskedMeanGradient", stream, Blocks(dx.size()), kBlock, GradientKernel<T, Value>, dy.data<Value>(),
           Mask(valid), count.data<double>(), dx.size(), dx.data<T>());
  });
}

}  // namespace rl::cuda
