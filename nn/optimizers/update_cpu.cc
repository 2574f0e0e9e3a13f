#include <algorithm>
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

// `tensor` and `settings` are copies: their numbers cannot alias the floats written, so they stay in registers.
template <typename Tensor, typename Settings, typename Update>
void ForEachElement(std::span<const Tensor> tensors, const Settings& given, const Update& update) {
  ForEachChunk(tensors, [&](Tensor tensor, int64_t, int64_t begin, int64_t end) {
    const Settings settings = given;
    for (int64_t i = begin; i < end; ++i) update(tensor, settings, i);
  });
}

}  // namespace

void SgdStep(Stream&, std::span<const SgdTensor> tensors, SgdSettings settings) {
  ForEachElement(tensors, settings,
                 [](const SgdTensor& tensor, const SgdSettings& s, int64_t i) { updates::Sgd(tensor, s, i); });
}

void AdamWStep(Stream&, std::span<const AdamWTensor> tensors, AdamWSettings settings) {
  ForEachElement(tensors, settings,
                 [](const AdamWTensor& tensor, const AdamWSettings& s, int64_t i) { updates::AdamW(tensor, s, i); });
}

void UpdateAverage(Stream&, std::span<const AverageTensor> tensors, AverageSettings settings) {
  ForEachElement(tensors, settings, [](const AverageTensor& tensor, const AverageSettings& s, int64_t i) {
    updates::Average(tensor, s, i);
  });
}

void ScaleGradients(Stream&, std::span<const GradientTensor> tensors, float factor) {
  ForEachElement(tensors, factor, [](const GradientTensor& tensor, float f, int64_t i) { tensor.gradient[i] *= f; });
}

void SumOfSquares(Stream&, std::span<const GradientTensor> tensors, Array& sum) {
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
  sum.data<double>()[0] = total;
}

}  // namespace autograd::cpu
