#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "nn/optimizers/update_kernels.h"

namespace autograd::cpu {
namespace {

// Fixed, so that partial sums do not depend on the thread count.
constexpr int64_t kChunk = 1 << 15;

// body(tensor, chunk, begin, end) for all chunks of all tensors; chunks are numbered through the list.
template <typename Tensor, typename Body>
void ForEachChunk(std::span<const Tensor> tensors, const Body& body) {
  std::vector<int64_t> first{0};
  for (const Tensor& tensor : tensors) first.push_back(first.back() + (tensor.size + kChunk - 1) / kChunk);
  ParallelFor(first.back(), 1, [&](int64_t begin, int64_t end) {
    size_t index = std::upper_bound(first.begin(), first.end(), begin) - first.begin() - 1;
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      while (chunk >= first[index + 1]) ++index;
      const int64_t start = (chunk - first[index]) * kChunk;
      body(tensors[index], chunk, start, std::min(start + kChunk, tensors[index].size));
    }
  });
}

// `tensor` and `rule` are copies: their numbers cannot alias the floats written, so they stay in registers.
template <typename Rule>
void ForEachElement(std::span<const typename Rule::Tensor> tensors, const Rule& given) {
  if (!given.Active()) return;
  ForEachChunk(tensors, [&](typename Rule::Tensor tensor, int64_t, int64_t begin, int64_t end) {
    const Rule rule = given;
    const auto numbers = rule.Of(tensor);
    for (int64_t i = begin; i < end; ++i) rule.Apply(tensor, numbers, i);
  });
}

}  // namespace

void SgdStep(Stream&, std::span<const SgdTensor> tensors, SgdSettings settings, const Array& rate, const Array& sound) {
  ForEachElement(tensors, updates::Sgd{settings, rate.data<double>(), updates::OptionalScalar(sound)});
}

void AdamWCorrections(Stream&, double beta1, double beta2, const Array& sound, Array& steps, Array& corrections) {
  updates::CorrectAdamW(beta1, beta2, updates::OptionalScalar(sound), steps.data<int64_t>(),
                        corrections.data<double>());
}

void AdamWStep(Stream&, std::span<const AdamWTensor> tensors, AdamWSettings settings, const Array& rate,
               const Array& corrections, const Array& sound) {
  ForEachElement(tensors, updates::AdamW{settings, rate.data<double>(), corrections.data<double>(),
                                         updates::OptionalScalar(sound)});
}

void RmsPropStep(Stream&, std::span<const RmsPropTensor> tensors, RmsPropSettings settings, const Array& rate,
                 const Array& sound) {
  ForEachElement(tensors, updates::RmsProp{settings, rate.data<double>(), updates::OptionalScalar(sound)});
}

void UpdateAverage(Stream&, std::span<const AverageTensor> tensors, AverageSettings settings, const Array& sound) {
  ForEachElement(tensors, updates::Average{settings, updates::OptionalScalar(sound)});
}

void ClearGradients(Stream&, std::span<const GradientTensor> tensors) { ForEachElement(tensors, updates::Clear()); }

void ScaleGradients(Stream&, std::span<const GradientTensor> tensors, float factor) {
  ForEachElement(tensors, updates::Scale{factor});
}

void ClipGradients(Stream&, std::span<const GradientTensor> tensors, const Array& norm, double maximum) {
  ForEachElement(tensors, updates::Clip{norm.data<double>(), maximum});
}

void RequireFinite(Stream&, const Array& x, Array& sound) {
  if (!updates::IsFinite(x.Item())) sound.data<double>()[0] = 0;
}

void NormOfGradients(Stream&, std::span<const GradientTensor> tensors, Array& norm) {
  int64_t chunks = 0;
  for (const GradientTensor& tensor : tensors) chunks += (tensor.size + kChunk - 1) / kChunk;
  std::vector<double> partial(chunks);
  ForEachChunk(tensors, [&](const GradientTensor& tensor, int64_t chunk, int64_t begin, int64_t end) {
    const float* gradient = tensor.gradient;
    double lanes[8] = {};
    int64_t i = begin;
    for (; i + 8 <= end; i += 8) {
      for (int lane = 0; lane < 8; ++lane) {
        const double g = gradient[i + lane];
        lanes[lane] += g * g;
      }
    }
    for (; i < end; ++i) lanes[0] += static_cast<double>(gradient[i]) * gradient[i];
    partial[chunk] = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  });
  double total = 0;
  for (double value : partial) total += value;
  norm.data<double>()[0] = std::sqrt(total);
}

}  // namespace autograd::cpu
