#pragma once

// One optimizer step over all parameters in one pass: a kernel gets the whole list and cuts it into chunks, so that
// many small tensors cost no more than one large one. KERNEL lives in namespace autograd, hence so do these.

#include <cmath>
#include <cstdint>
#include <span>

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/math.h"

namespace autograd {

// In all lists: pointers are device memory of `size` elements. Steps write the values that they change to
// `bfloat16_copy` as well, rounded to nearest even, where it is not null (Parameter::Rewrite). What changes from step
// to step (the rate, the norm that clips, whether the step is sound) is read from the device by the kernels, so that a
// recorded step (CapturedStep) follows it.

struct SgdTensor {
  float* value;
  const float* gradient;
  float* momentum;  // null without momentum
  BFloat16* bfloat16_copy;
  int64_t size;
  double rate_factor;
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
  BFloat16* bfloat16_copy;
  int64_t size;
  double rate_factor;
  double weight_decay;
};

// The complements 1 − β are rounded on their own: 1.0f − 0.999f is wrong in the fifth digit.
struct AdamWSettings {
  float beta1, beta1_complement;
  float beta2, beta2_complement;
  float epsilon;
};

struct RmsPropTensor {
  float* value;
  const float* gradient;
  float* mean_square;
  BFloat16* bfloat16_copy;
  int64_t size;
  double rate_factor;
  float weight_decay;
};

struct RmsPropSettings {
  float decay, decay_complement;
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

// In all kernels: `sound` is float64 [1], where 0 means that nothing is to be changed, or undefined.

// torch.optim.SGD, dampening 0: g += λ·x; m = μ·m + g; x −= rate·(nesterov ? g + μ·m : m). rate: float64 [1].
KERNEL(SgdStep,
       void(Stream&, std::span<const SgdTensor> tensors, SgdSettings settings, const Array& rate, const Array& sound));
// steps int64 [1] += 1; corrections float64 [2] = {1 − beta1^steps, 1 / √(1 − beta2^steps)}.
KERNEL(AdamWCorrections,
       void(Stream&, double beta1, double beta2, const Array& sound, Array& steps, Array& corrections));
// torch.optim.AdamW (Loshchilov and Hutter 2019, algorithm 2). rate: float64 [1].
KERNEL(AdamWStep, void(Stream&, std::span<const AdamWTensor> tensors, AdamWSettings settings, const Array& rate,
                       const Array& corrections, const Array& sound));
// g += λ·x; m = α·m + (1 − α)·g²; x −= rate·g / √(m + ε) (Mnih et al. 2016, section 4). rate: float64 [1].
KERNEL(RmsPropStep, void(Stream&, std::span<const RmsPropTensor> tensors, RmsPropSettings settings, const Array& rate,
                         const Array& sound));
// norm[0] = √Σ g² in float64; the order of summation does not depend on the thread count.
KERNEL(NormOfGradients, void(Stream&, std::span<const GradientTensor> tensors, Array& norm));
// g *= min(1, maximum / (norm[0] + 1e-6)); nothing where norm[0] is not finite.
KERNEL(ClipGradients, void(Stream&, std::span<const GradientTensor> tensors, const Array& norm, double maximum));
KERNEL(ClearGradients, void(Stream&, std::span<const GradientTensor> tensors));
KERNEL(ScaleGradients, void(Stream&, std::span<const GradientTensor> tensors, float factor));
// average = decay·average + (1 − decay)·value
KERNEL(UpdateAverage,
       void(Stream&, std::span<const AverageTensor> tensors, AverageSettings settings, const Array& sound));
// sound[0] = 0 where the floating scalar x is not finite.
KERNEL(RequireFinite, void(Stream&, const Array& x, Array& sound));

// The maths, for both backends: Active says whether there is anything to do, Of gives what is the same for all elements
// of a tensor, and Apply changes element i.
namespace updates {

// Null where there is none.
inline const double* OptionalScalar(const Array& scalar) { return scalar.defined() ? scalar.data<double>() : nullptr; }

HOST_DEVICE inline bool IsSound(const double* sound) { return sound == nullptr || *sound != 0; }
HOST_DEVICE inline bool IsFinite(double value) { return value - value == 0; }

template <typename Tensor>
HOST_DEVICE inline void SetValue(const Tensor& tensor, int64_t i, float value) {
  tensor.value[i] = value;
  if (tensor.bfloat16_copy != nullptr) tensor.bfloat16_copy[i] = BFloat16(value);
}

struct Sgd {
  using Tensor = SgdTensor;
  SgdSettings settings;
  const double* rate;
  const double* sound;

  HOST_DEVICE bool Active() const { return IsSound(sound); }
  HOST_DEVICE float Of(const Tensor& tensor) const { return static_cast<float>(*rate * tensor.rate_factor); }
  HOST_DEVICE void Apply(const Tensor& tensor, float rate_of_tensor, int64_t i) const {
    float step = tensor.gradient[i] + tensor.weight_decay * tensor.value[i];
    if (tensor.momentum != nullptr) {
      const float momentum = settings.momentum * tensor.momentum[i] + step;
      tensor.momentum[i] = momentum;
      step = settings.nesterov ? step + settings.momentum * momentum : momentum;
    }
    SetValue(tensor, i, tensor.value[i] - rate_of_tensor * step);
  }
};

struct AdamW {
  using Tensor = AdamWTensor;
  struct Numbers {
    float keep, rate, second_moment_scale;
  };
  AdamWSettings settings;
  const double* rate;
  const double* corrections;
  const double* sound;

  HOST_DEVICE bool Active() const { return IsSound(sound); }
  HOST_DEVICE Numbers Of(const Tensor& tensor) const {
    const double rate_of_tensor = *rate * tensor.rate_factor;
    return {static_cast<float>(1 - rate_of_tensor * tensor.weight_decay),
            static_cast<float>(rate_of_tensor / corrections[0]), static_cast<float>(corrections[1])};
  }
  HOST_DEVICE void Apply(const Tensor& tensor, const Numbers& numbers, int64_t i) const {
    const float gradient = tensor.gradient[i];
    const float first = settings.beta1 * tensor.first_moment[i] + settings.beta1_complement * gradient;
    const float second = settings.beta2 * tensor.second_moment[i] + settings.beta2_complement * gradient * gradient;
    tensor.first_moment[i] = first;
    tensor.second_moment[i] = second;
    const float denominator = math::Sqrt(second) * numbers.second_moment_scale + settings.epsilon;
    SetValue(tensor, i, numbers.keep * tensor.value[i] - numbers.rate * first / denominator);
  }
};

struct RmsProp {
  using Tensor = RmsPropTensor;
  RmsPropSettings settings;
  const double* rate;
  const double* sound;

  HOST_DEVICE bool Active() const { return IsSound(sound); }
  HOST_DEVICE float Of(const Tensor& tensor) const { return static_cast<float>(*rate * tensor.rate_factor); }
  HOST_DEVICE void Apply(const Tensor& tensor, float rate_of_tensor, int64_t i) const {
    const float step = tensor.gradient[i] + tensor.weight_decay * tensor.value[i];
    const float mean_square = settings.decay * tensor.mean_square[i] + settings.decay_complement * step * step;
    tensor.mean_square[i] = mean_square;
    SetValue(tensor, i, tensor.value[i] - rate_of_tensor * step / math::Sqrt(mean_square + settings.epsilon));
  }
};

struct Average {
  using Tensor = AverageTensor;
  AverageSettings settings;
  const double* sound;

  HOST_DEVICE bool Active() const { return IsSound(sound); }
  HOST_DEVICE AverageSettings Of(const Tensor&) const { return settings; }
  HOST_DEVICE void Apply(const Tensor& tensor, const AverageSettings& by, int64_t i) const {
    tensor.average[i] = by.decay * tensor.average[i] + by.complement * tensor.value[i];
  }
};

struct Scale {
  using Tensor = GradientTensor;
  float factor;

  HOST_DEVICE bool Active() const { return true; }
  HOST_DEVICE float Of(const Tensor&) const { return factor; }
  HOST_DEVICE void Apply(const Tensor& tensor, float by, int64_t i) const { tensor.gradient[i] *= by; }
};

struct Clear {
  using Tensor = GradientTensor;

  HOST_DEVICE bool Active() const { return true; }
  HOST_DEVICE float Of(const Tensor&) const { return 0; }
  HOST_DEVICE void Apply(const Tensor& tensor, float zero, int64_t i) const { tensor.gradient[i] = zero; }
};

struct Clip {
  using Tensor = GradientTensor;
  const double* norm;
  double maximum;

  HOST_DEVICE double Factor() const { return maximum / (*norm + 1e-6); }
  HOST_DEVICE bool Active() const { return IsFinite(*norm) && Factor() < 1; }
  HOST_DEVICE float Of(const Tensor&) const { return static_cast<float>(Factor()); }
  HOST_DEVICE void Apply(const Tensor& tensor, float by, int64_t i) const { tensor.gradient[i] *= by; }
};

HOST_DEVICE inline void CorrectAdamW(double beta1, double beta2, const double* sound, int64_t* steps,
                                     double* corrections) {
  if (!IsSound(sound)) return;
  const auto step = static_cast<double>(++*steps);
  corrections[0] = 1 - ::pow(beta1, step);
  corrections[1] = 1 / math::Sqrt(1 - ::pow(beta2, step));
}

}  // namespace updates
}  // namespace autograd
