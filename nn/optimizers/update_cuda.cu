#include "autograd/core/launch_cuda.h"
#include "nn/optimizers/update_kernels.h"

namespace autograd::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kChunk = 1 << 13;  // elements of a block

// A part of the list, passed by value: kernel arguments may take 4 KiB, and no copy to the device is needed.
template <typename Tensor>
struct Table {
  static constexpr int kCapacity = 3600 / (sizeof(Tensor) + sizeof(int));
  Tensor tensors[kCapacity];
  int first_block[kCapacity + 1];
  int count = 0;
};

template <typename Tensor>
__device__ int FindTensor(const Table<Tensor>& table) {
  int low = 0, high = table.count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (static_cast<int>(blockIdx.x) >= table.first_block[middle]) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

template <typename Tensor, typename Settings, typename Update>
__global__ void __launch_bounds__(kThreads)
    ForEachElementKernel(const __grid_constant__ Table<Tensor> table, Settings settings, Update update) {
  const int index = FindTensor(table);
  const Tensor tensor = table.tensors[index];
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) - table.first_block[index]) * kChunk;
  const int64_t end = begin + kChunk < tensor.size ? begin + kChunk : tensor.size;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) update(tensor, settings, i);
}

// Calls start(table, blocks) for parts of the list.
template <typename Tensor, typename Start>
void ForEachTable(std::span<const Tensor> tensors, const Start& start) {
  Table<Tensor> table;
  int blocks = 0;
  const auto flush = [&] {
    table.first_block[table.count] = blocks;
    if (blocks > 0) start(table, blocks);
    table.count = 0;
    blocks = 0;
  };
  for (const Tensor& tensor : tensors) {
    if (tensor.size == 0) continue;
    table.tensors[table.count] = tensor;
    table.first_block[table.count] = blocks;
    blocks += static_cast<int>((tensor.size + kChunk - 1) / kChunk);
    if (++table.count == Table<Tensor>::kCapacity) flush();
  }
  flush();
}

template <typename Tensor, typename Settings, typename Update>
void ForEachElement(Stream& stream, const char* operation, std::span<const Tensor> tensors, const Settings& settings,
                    const Update& update) {
  ForEachTable(tensors, [&](const Table<Tensor>& table, int blocks) {
    Launch(operation, stream, blocks, kThreads, (ForEachElementKernel<Tensor, Settings, Update>), table, settings,
           update);
  });
}

struct SgdFunctor {
  __device__ void operator()(const SgdTensor& tensor, const SgdSettings& settings, int64_t i) const {
    updates::Sgd(tensor, settings, i);
  }
};
struct AdamWFunctor {
  __device__ void operator()(const AdamWTensor& tensor, const AdamWSettings& settings, int64_t i) const {
    updates::AdamW(tensor, settings, i);
  }
};
struct AverageFunctor {
  __device__ void operator()(const AverageTensor& tensor, const AverageSettings& settings, int64_t i) const {
    updates::Average(tensor, settings, i);
  }
};
struct ScaleFunctor {
  __device__ void operator()(const GradientTensor& tensor, float factor, int64_t i) const {
    tensor.gradient[i] *= factor;
  }
};

// Sum over the block; the result is valid in thread 0.
__device__ double BlockSum(double value) {
  SHARED_MEMORY(shared, double[kThreads]);
  shared[threadIdx.x] = value;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half) shared[threadIdx.x] += shared[threadIdx.x + half];
  }
  return shared[0];
}

__global__ void __launch_bounds__(kThreads)
    PartialSquaresKernel(const __grid_constant__ Table<GradientTensor> table, double* partial) {
  const int index = FindTensor(table);
  const GradientTensor tensor = table.tensors[index];
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) - table.first_block[index]) * kChunk;
  const int64_t end = begin + kChunk < tensor.size ? begin + kChunk : tensor.size;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads)
    sum += static_cast<double>(tensor.gradient[i]) * tensor.gradient[i];
  sum = BlockSum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) TotalKernel(const double* partial, int64_t count, double* total) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += partial[i];
  sum = BlockSum(sum);
  if (threadIdx.x == 0) *total = sum;
}

}  // namespace

void SgdStep(Stream& stream, std::span<const SgdTensor> tensors, SgdSettings settings) {
  ForEachElement(stream, "SgdStep", tensors, settings, SgdFunctor());
}

void AdamWStep(Stream& stream, std::span<const AdamWTensor> tensors, AdamWSettings settings) {
  ForEachElement(stream, "AdamWStep", tensors, settings, AdamWFunctor());
}

void UpdateAverage(Stream& stream, std::span<const AverageTensor> tensors, AverageSettings settings) {
  ForEachElement(stream, "UpdateAverage", tensors, settings, AverageFunctor());
}

void ScaleGradients(Stream& stream, std::span<const GradientTensor> tensors, float factor) {
  ForEachElement(stream, "ScaleGradients", tensors, factor, ScaleFunctor());
}

void SumOfSquares(Stream& stream, std::span<const GradientTensor> tensors, Array& sum) {
  int64_t chunks = 0;
  for (const GradientTensor& tensor : tensors) chunks += (tensor.size + kChunk - 1) / kChunk;
  Array partial = Array::Empty({chunks}, kFloat64);
  double* next = partial.data<double>();
  ForEachTable(tensors, [&](const Table<GradientTensor>& table, int blocks) {
    Launch("SumOfSquares", stream, blocks, kThreads, PartialSquaresKernel, table, next);
    next += blocks;
  });
  Launch("SumOfSquares", stream, 1, kThreads, TotalKernel, partial.data<double>(), chunks, sum.data<double>());
}

}  // namespace autograd::cuda
