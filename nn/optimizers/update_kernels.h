#pragma once

// One optimizer step over all parameters in one pass: a kernel gets the whole list and cuts it into chunks, so that many
// small tensors cost no more than one large one. KERNEL lives in namespace autograd, hence so do these.

#include <cstdint>
#include <span>

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/math.h"

namespace autograd {

// In all lists: pointers are device memory of `size` floats.

struct SgdTensor {
  float* value;
  const float* gradient;
  float* momentum;  // null without momentum
  int64_t size;
  float rate;
  float weight_decay;
};

struct SgdSettings {
  float momentum;
  bool nesterov;
};

struct AdamWTensor {
  float* value;
  const float* gradient;
  float* first_moment;
  float* second_moment;
  int64_t size;
  float keep;  // 1 − rate·weight decay
  float rate;  // rate / (1 − beta1^step)
};

// The complements 1 − β are rounded on their own: 1.0f − 0.999f is wrong in the fifth digit.
struct AdamWSettings {
  float beta1, beta1_complement;
  float beta2, beta2_complement;
  float second_moment_scale;  // 1 / √(1 − beta2^step)
  float epsilon;
};

struct GradientTensor {
  float* gradient;
  int64_t size;
};

struct AverageSettings {
  float decay, complement;
};

struct AverageTensor {
  float* average;
  const float* value;
  int64_t size;
};

// torch.optim.SGD, dampening 0: g += λ·x; m = μ·m + g; x −= rate·(nesterov ? g + μ·m : m).
KERNEL(SgdStep, void(Stream&, std::span<const SgdTensor> tensors, SgdSettings settings));
// torch.optim.AdamW (Loshchilov and Hutter 2019, algorithm 2).
KERNEL(AdamWStep, void(Stream&, std::span<const AdamWTensor> tensors, AdamWSettings settings));
// sum[0] = Σ g² in float64; the order of summation does not depend on the thread count.
KERNEL(SumOfSquares, void(Stream&, std::span<const GradientTensor> tensors, Array& sum));
KERNEL(ScaleGradients, void(Stream&, std::span<const GradientTensor> tensors, float factor));
// average = decay·average + (1 − decay)·value
KERNEL(UpdateAverage, void(Stream&, std::span<const AverageTensor> tensors, AverageSettings settings));

// The maths of one element, for both backends.
namespace updates {

HOST_DEVICE inline void Sgd(const SgdTensor& tensor, const SgdSettings& settings, int64_t i) {
  float step = tensor.gradient[i] + tensor.weight_decay * tensor.value[i];
  if (tensor.momentum != nullptr) {
    const float momentum = settings.momentum * tensor.momentum[i] + step;
    tensor.momentum[i] = momentum;
    step = settings.nesterov ? step + settings.momentum * momentum : momentum;
  }
  tensor.value[i] -= tensor.rate * step;
}

HOST_DEVICE inline void AdamW(const AdamWTensor& tensor, const AdamWSettings& settings, int64_t i) {
  const float gradient = tensor.gradient[i];
  const float first = settings.beta1 * tensor.first_moment[i] + settings.beta1_complement * gradient;
  const float second = settings.beta2 * tensor.second_moment[i] + settings.beta2_complement * gradient * gradient;
  tensor.first_moment[i] = first;
  tensor.second_moment[i] = second;
  const float denominator = math::Sqrt(second) * settings.second_moment_scale + settings.epsilon;
  tensor.value[i] = tensor.keep * tensor.value[i] - tensor.rate * first / denominator;
}

HOST_DEVICE inline void Average(const AverageTensor& tensor, const AverageSettings& settings, int64_t i) {
  tensor.average[i] = settings.decay * tensor.average[i] + settings.complement * tensor.value[i];
}

}  // namespace updates
}  // namespace autograd
