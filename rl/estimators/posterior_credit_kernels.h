#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/math.h"

namespace autograd {

// float64 [b, 2] for images of rewards float32 [n, b] and actions uint8 [n, b, ..]: δ/σ² and δ²/(2σ²) of posterior_credit.h, zeros where σ is 0.
KERNEL(ImageEvidence, void(Stream&, const Array& rewards, const Array& actions, const Array& valid, Array& evidence));

// advantages float32 [n, b, ..], as posterior_credit.h has them.
KERNEL(PosteriorCredit, void(Stream&, const Array& rewards, const Array& actions, const Array& log_probability,
                             const Array& valid, const Array& evidence, Array& advantages));

// For both backends.
namespace posterior {

struct Evidence {
  double slope, offset;
};

// From Σ r and Σ r² of an image's n scores, and the number of ordered pairs of different maps times positions at which they differ.
HOST_DEVICE inline Evidence EvidenceOf(double maps, double sum, double squares, double differing) {
  const double variance = maps > 1 ? (squares - sum * sum / maps) / (maps - 1) : 0;
  // Rounding alone is no evidence.
  if (!(variance > 1e-12 * squares / maps)) return {0, 0};
  double spread = 0.5 * differing / (maps * (maps - 1));
  spread = spread < 0.25 ? 0.25 : spread;
  return {1 / math::Sqrt(variance * spread), 0.5 / spread};
}

// ℓ_a for `count` of `maps` maps, of summed score `sum` of `total`.
HOST_DEVICE inline double LogLikelihoodRatio(const Evidence& evidence, double maps, double count, double sum,
                                             double total) {
  const double others = maps - count;
  if (others == 0) return 0;
  const double difference = sum / count - (total - sum) / others;
  const double ratio = count * others / maps * (evidence.slope * difference - evidence.offset);
  return ratio < -20 ? -20 : (ratio > 20 ? 20 : ratio);
}

}  // namespace posterior
}  // namespace autograd
