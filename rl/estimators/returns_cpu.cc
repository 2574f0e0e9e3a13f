#include "autograd/runtime/parallel.h"
#include "rl/estimators/returns_kernels.h"

namespace rl::cpu {

using autograd::Array;
using autograd::ParallelFor;
using autograd::Stream;

constexpr int64_t kGrain = 1 << 12;  // positions

void NStepReturns(Stream&, const Array& rewards, const Array& bootstrap, double discount, const Array& terminal,
                  Array& returns) {
  const TimeAxis axis(rewards, terminal);
  const float* const last = bootstrap.defined() ? bootstrap.data<float>() : nullptr;
  float* const out = returns.data<float>();
  ParallelFor(axis.positions, kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end; ++position) axis.Returns(last, discount, position, out);
  });
}

void GeneralizedAdvantages(Stream&, const Array& rewards, const Array& values, double discount, double lambda,
                           const Array& terminal, Array& advantages) {
  const TimeAxis axis(rewards, terminal);
  const float* const worth = values.data<float>();
  float* const out = advantages.data<float>();
  ParallelFor(axis.positions, kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end; ++position) axis.Advantages(worth, discount, lambda, position, out);
  });
}

}  // namespace rl::cpu
