#include "seg/models/latent_modulation.h"

#include <vector>

#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/transpose.h"
#include "nn/layers/linear.h"

namespace seg {

using autograd::Array;

LatentModulation::LatentModulation(int64_t channels, const LatentModulationConfig& given, RandomKey key)
    : config(given), scale(Array::Full({1}, autograd::kFloat32, given.initial_scale)) {
  if (config.kind != Modulation::kAttention) return;
  autograd::Require(config.heads >= 1 && channels % config.heads == 0, "LatentModulation", config.heads,
                    " heads do not divide ", channels, " channels");
  projection.emplace(channels, channels, 1, nn::ConvNormActOptions{}, key.Split("projection"));
  attention.emplace(channels, nn::MultiHeadAttentionOptions{.heads = config.heads, .fused = false},
                    key.Split("attention"));
}

Variable LatentModulation::operator()(const Variable& z, const Variable& signal, const nn::Context& context) {
  autograd::Dims dims("LatentModulation");
  dims.Match(z, "z: n h w d");
  const int64_t n = dims["n"], h = dims["h"], w = dims["w"], d = dims["d"];
  Variable s;
  if (signal.defined()) {
    dims.Match(signal, "signal: n p q d");
    autograd::Require((dims["p"] == h && dims["q"] == w) || (dims["p"] == 1 && dims["q"] == 1), "LatentModulation",
                      "signal ", signal.shape(), " for z ", z.shape());
    s = autograd::Cast(signal, z.dtype());
  }
  std::vector<Variable> decoded{z};
  const Variable alpha = nn::InTypeOf(z, scale);
  switch (config.kind) {
    case Modulation::kAttention: {
      const auto tokens = [&](const Variable& map) { return autograd::Reshape(map, {n, h * w, d}); };
      const Variable queries = s.defined() ? z - (*projection)(s, context.Split("projection")) : z;
      const Variable attended = (*attention)(tokens(queries), tokens(z), tokens(z), context.Split("attention"));
      decoded.push_back(alpha * autograd::Reshape(attended, {n, h, w, d}));
      break;
    }
    case Modulation::kAddition:
      decoded.push_back(alpha * (s.defined() ? z + s : z));
      break;
    case Modulation::kMultiplication:
      decoded.push_back(alpha * (s.defined() ? z * (autograd::Tanh(s) + 1) : z));
      break;
    case Modulation::kConcatenation: {
      const Variable zeros(Array::Zeros(z.shape(), z.dtype()));
      decoded.push_back(alpha * z);
      decoded.push_back(s.defined() ? alpha * (zeros + s) : zeros);
      break;
    }
  }
  return autograd::Concatenate(decoded, -1);
}

void LatentModulation::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("scale", scale);
  visitor.Field("projection", projection);
  visitor.Field("attention", attention);
}

}  // namespace seg
