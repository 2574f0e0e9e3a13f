#include "autograd/core/tables_cuda.h"
#include "nn/optimizers/update_kernels.h"

namespace autograd::cuda {
namespace {

constexpr int kThreads = 256;

template <typename Rule>
__global__ void __launch_bounds__(kThreads)
    ForEachElementKernel(const __grid_constant__ Table<typename Rule::Tensor> table, Rule rule) {
  if (!rule.Active()) return;
  const TableChunk chunk = FindChunk(table);
  const typename Rule::Tensor tensor = table.tensors[chunk.tensor];
  const auto numbers = rule.Of(tensor);
  for (int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += kThreads) rule.Apply(tensor, numbers, i);
}

template <typename Rule>
void ForEachElement(Stream& stream, const char* operation, std::span<const typename Rule::Tensor> tensors,
                    const Rule& rule) {
  ForEachTable(tensors, [&](const Table<typename Rule::Tensor>& table, int blocks) {
    Launch(operation, stream, blocks, kThreads, ForEachElementKernel<Rule>, table, rule);
  });
}

__global__ void AdamWCorrectionsKernel(double beta1, double beta2, const double* sound, int64_t* steps,
                                       double* corrections) {
  updates::CorrectAdamW(beta1, beta2, sound, steps, corrections);
}

template <typename T>
__global__ void RequireFiniteKernel(const T* x, double* sound) {
  if (!updates::IsFinite(static_cast<double>(*x))) *sound = 0;
}

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
  const TableChunk chunk = FindChunk(table);
  const GradientTensor tensor = table.tensors[chunk.tensor];
  double sum = 0;
  for (int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += kThreads)
    sum += static_cast<double>(tensor.gradient[i]) * tensor.gradient[i];
  sum = BlockSum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) NormKernel(const double* partial, int64_t count, double* norm) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += partial[i];
  sum = BlockSum(sum);
  if (threadIdx.x == 0) *norm = math::Sqrt(sum);
}

}  // namespace

void SgdStep(Stream& stream, std::span<const SgdTensor> tensors, SgdSettings settings, const Array& rate,
             const Array& sound) {
  ForEachElement(stream, "SgdStep", tensors,
                 updates::Sgd{settings, rate.data<double>(), updates::OptionalScalar(sound)});
}

void AdamWCorrections(Stream& stream, double beta1, double beta2, const Array& sound, Array& steps,
                      Array& corrections) {
  Launch("AdamWCorrections", stream, 1, 1, AdamWCorrectionsKernel, beta1, beta2, updates::OptionalScalar(sound),
         steps.data<int64_t>(), corrections.data<double>());
}

void AdamWStep(Stream& stream, std::span<const AdamWTensor> tensors, AdamWSettings settings, const Array& rate,
               const Array& corrections, const Array& sound) {
  ForEachElement(
      stream, "AdamWStep", tensors,
      updates::AdamW{settings, rate.data<double>(), corrections.data<double>(), updates::OptionalScalar(sound)});
}

void RmsPropStep(Stream& stream, std::span<const RmsPropTensor> tensors, RmsPropSettings settings, const Array& rate,
                 const Array& sound) {
  ForEachElement(stream, "RmsPropStep", tensors,
                 updates::RmsProp{settings, rate.data<double>(), updates::OptionalScalar(sound)});
}

void UpdateAverage(Stream& stream, std::span<const AverageTensor> tensors, AverageSettings settings,
                   const Array& sound) {
  ForEachElement(stream, "UpdateAverage", tensors, updates::Average{settings, updates::OptionalScalar(sound)});
}

void ClearGradients(Stream& stream, std::span<const GradientTensor> tensors) {
  ForEachElement(stream, "ClearGradients", tensors, updates::Clear());
}

void ScaleGradients(Stream& stream, std::span<const GradientTensor> tensors, float factor) {
  ForEachElement(stream, "ScaleGradients", tensors, updates::Scale{factor});
}

void ClipGradients(Stream& stream, std::span<const GradientTensor> tensors, const Array& norm, double maximum) {
  ForEachElement(stream, "ClipGradients", tensors, updates::Clip{norm.data<double>(), maximum});
}

void NormOfGradients(Stream& stream, std::span<const GradientTensor> tensors, Array& norm) {
  int64_t chunks = 0;
  for (const GradientTensor& tensor : tensors) chunks += (tensor.size + kTableChunk - 1) / kTableChunk;
  Array partial = Array::Empty({chunks}, kFloat64);
  double* next = partial.data<double>();
  ForEachTable(tensors, [&](const Table<GradientTensor>& table, int blocks) {
    Launch("NormOfGradients", stream, blocks, kThreads, PartialSquaresKernel, table, next);
    next += blocks;
  });
  Launch("NormOfGradients", stream, 1, kThreads, NormKernel, partial.data<double>(), chunks, norm.data<double>());
}

void RequireFinite(Stream& stream, const Array& x, Array& sound) {
  VisitFloating("RequireFinite", x.dtype(), [&]<typename T>(T) {
    Launch("RequireFinite", stream, 1, 1, RequireFiniteKernel<T>, x.data<T>(), sound.data<double>());
  });
}

}  // namespace autograd::cuda
