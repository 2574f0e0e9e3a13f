#include "autograd/core/launch_cuda.h"
#include "rl/estimators/returns_kernels.h"

namespace rl::cuda {

using autograd::Array;
using autograd::Stream;
using autograd::cuda::Blocks;
using autograd::cuda::GridIndex;
using autograd::cuda::GridStride;
using autograd::cuda::kBlock;
using autograd::cuda::Launch;

namespace {

// One thread a position; neighbours read neighbours.
__global__ void ReturnsKernel(TimeAxis axis, const float* bootstrap, double discount, float* returns) {
  for (int64_t position = GridIndex(); position < axis.positions; position += GridStride())
    axis.Returns(bootstrap, discount, position, returns);
}

__global__ void AdvantagesKernel(TimeAxis axis, const float* values, double discount, double lambda,
                                 float* advantages) {
  for (int64_t position = GridIndex(); position < axis.positions; position += GridStride())
    axis.Advantages(values, discount, lambda, position, advantages);
}

}  // namespace

void NStepReturns(Stream& stream, const Array& rewards, const Array& bootstrap, double discount, const Array& terminal,
                  Array& returns) {
  if (rewards.size() == 0) return;
  const TimeAxis axis(rewards, terminal);
  Launch("NStepReturns", stream, Blocks(axis.positions), kBlock, ReturnsKernel, axis,
         bootstrap.defined() ? bootstrap.data<float>() : nullptr, discount, returns.data<float>());
}

void GeneralizedAdvantages(Stream& stream, const Array& rewards, const Array& values, double discount, double lambda,
                           const Array& terminal, Array& advantages) {
  if (rewards.size() == 0) return;
  const TimeAxis axis(rewards, terminal);
  Launch("GeneralizedAdvantages", stream, Blocks(axis.positions), kBlock, AdvantagesKernel, axis, values.data<float>(),
         discount, lambda, advantages.data<float>());
}

}  // namespace rl::cuda
