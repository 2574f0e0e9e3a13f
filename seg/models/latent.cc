#include "seg/models/latent.h"

#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/standard_normal.h"
#include "autograd/ops/transpose.h"

namespace seg {

LatentHead::LatentHead(int64_t given_channels, const LatentConfig& given, size_t given_tap, RandomKey key)
    : config(given),
      tap(given_tap),
      channels(given_channels),
      policy(given_channels, given.policy, key.Split("policy")),
      modulation(given_channels, given.modulation, key.Split("modulation")) {}

std::vector<int64_t> LatentHead::DrawPositions(const Variable& z) const {
  if (config.draw == LatentDraw::kChannel) return {};
  return {z.shape()[1], z.shape()[2]};
}

Variable LatentHead::AsMap(const Variable& signal) {
  if (!signal.defined() || signal.shape().rank() != 2) return signal;
  return autograd::Reshape(signal, {signal.shape()[0], 1, 1, signal.shape()[1]});
}

Variable LatentHead::AtPositions(const Variable& signal, const Variable& z) {
  return AsMap(signal) + Variable(Array::Zeros(z.shape(), signal.dtype()));
}

Features LatentHead::Modulated(const Features& features, const Variable& signal, const nn::Context& context) {
  autograd::Require(features.size() > tap, "LatentHead", "modulates tap ", tap, " of ", features.size());
  Features modulated = features;
  modulated[tap] = modulation(features[tap], AsMap(signal), context.Split("latent_modulation"));
  return modulated;
}

Variable LatentHead::Signal(const Variable& z, const nn::Context& context) {
  if (inference.signal == LatentSignal::kZero) return {};
  const LatentDistribution distribution = policy(z, context.Split("latent_policy"));
  if (inference.signal == LatentSignal::kMean) {
    const bool expanded = context.training && config.draw == LatentDraw::kPosition;
    return expanded ? AtPositions(distribution.mean, z) : distribution.mean;
  }
  std::vector<int64_t> extents = DrawPositions(z);
  extents.insert(extents.begin(), z.shape()[0]);
  extents.push_back(channels);
  const Array noise = autograd::StandardNormal(autograd::Shape(extents), distribution.mean.dtype(),
                                               context.Split("latent_signal").key, context.first_sample);
  if (extents.size() == 2)
    return distribution.mean + autograd::Exponential(distribution.log_deviation) * Variable(noise);
  return AsMap(distribution.mean) + AsMap(autograd::Exponential(distribution.log_deviation)) * Variable(noise);
}

void LatentHead::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("latent_policy", policy);
  visitor.Field("latent_modulation", modulation);
}

}  // namespace seg
