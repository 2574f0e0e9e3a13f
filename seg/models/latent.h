#pragma once

// A segmentation network whose latent features a Gaussian policy modulates before they are decoded ("Latent-space
// reinforcement learning for semantic segmentation"): Latent<Fcn>, Latent<SegFormer>, any seg::Model. The latent z is
// the model's latent_tap(), the last of its encoder: C5 of a ResNet or a ConvNeXt, the last stage of a MiT, the last
// tokens of a vision transformer, X of a CiSS-Net.
//
//   Features features = network.Encode(images, context);
//   const Variable& z = features[network.latent_tap()];
//   LatentDistribution pi = network.latent.policy(z, context.Split("policy"));
//   Variable s = …;                                                       // a draw, pathwise or constant
//   Variable logits = network.Decode(network.latent.Modulated(features, s, context), context);
//
// Decode of features as Encode returns them draws the signal itself, as `latent.inference` says.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "seg/models/latent_modulation.h"
#include "seg/models/latent_policy.h"
#include "seg/models/model.h"

namespace seg {

// What one draw of the signal is for.
enum class LatentDraw : uint8_t {
  kPosition,  // each position of the map draws its own from its channel's Gaussian (equation 11): h·w·d numbers
  kChannel,   // all positions of an image share one: d numbers
};

struct LatentConfig {
  LatentPolicyConfig policy;
  LatentModulationConfig modulation;
  LatentDraw draw = LatentDraw::kPosition;
};

// What Decode takes for the signal.
enum class LatentSignal : uint8_t {
  kMean,    // s = μ, the policy's mode
  kSample,  // a draw of the context's key
  kZero,    // none: the policy is not asked
};

struct LatentInference {
  LatentSignal signal = LatentSignal::kMean;
};

// The policy and the modulation, whatever network they belong to.
struct LatentHead {
  LatentHead(int64_t channels, const LatentConfig& config, size_t tap, RandomKey key);

  // Positions of a draw for z [n, h, w, d]: (h, w), or none where all of an image share one.
  std::vector<int64_t> DrawPositions(const Variable& z) const;
  // A signal [n, d] or [n, h, w, d] as the modulation wants it.
  static Variable AsMap(const Variable& signal);
  // The same signal [n, d] at every position of z: [n, h, w, d]. In training the modulation's batch norm then sees as
  // many values of it as of draws.
  static Variable AtPositions(const Variable& signal, const Variable& z);
  // features as Encode returns them → the same with z replaced by [z, α·z_mod]. signal [n, d], [n, 1, 1, d] or
  // [n, h, w, d]; undefined for none.
  Features Modulated(const Features& features, const Variable& signal, const nn::Context& context);
  // The signal that `inference` asks for, of z [n, h, w, d]; undefined for kZero. In evaluation μ is [n, d].
  Variable Signal(const Variable& z, const nn::Context& context);

  // latent_policy, latent_modulation
  void Fields(nn::FieldVisitor& visitor);

  LatentConfig config;
  size_t tap;
  int64_t channels;  // d
  LatentPolicy policy;
  LatentModulation modulation;
  LatentInference inference;  // no part of a checkpoint
};

template <Extensible Base>
struct LatentModelConfig {
  decltype(Base::config) base;
  LatentConfig latent;
};

// A seg::Model around another. `base.extra_latent_channels` is set by the constructor.
template <Extensible Base>
struct Latent {
  Latent(const LatentModelConfig<Base>& given, RandomKey key)
      : config(WithModulation(given)),
        base(config.base, key),
        latent(Base::LatentChannels(config.base), config.latent, base.latent_tap(), key.Split("latent")) {}

  // As the base's.
  Features Encode(const Variable& images, const nn::Context& context) { return base.Encode(images, context); }
  // features as Encode returns them, or as LatentHead::Modulated does → the base's logits.
  Variable Decode(const Features& features, const nn::Context& context) {
    autograd::Require(features.size() > latent.tap, "Latent", "decodes ", latent.tap + 1, " features, not ",
                      features.size());
    const Variable& z = features[latent.tap];
    if (z.shape()[3] != latent.channels) return base.Decode(features, context);
    return base.Decode(latent.Modulated(features, latent.Signal(z, context), context), context);
  }
  Variable operator()(const Variable& images, const nn::Context& context) {
    return Decode(Encode(images, context), context);
  }
  auto Auxiliary(const Features& features, const nn::Context& context) requires requires(Base& model) {
    model.Auxiliary(features, context);
  }
  { return base.Auxiliary(features, context); }

  // The base's under its own names, latent_policy and latent_modulation.
  void Fields(nn::FieldVisitor& visitor) {
    base.Fields(visitor);
    latent.Fields(visitor);
  }

  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) { return base.LoadEncoder(path); }
  void Observe(PassMaps* maps) requires requires(Base& model) { model.Observe(maps); }
  { base.Observe(maps); }
  int64_t classes() const { return base.classes(); }
  int64_t size_multiple() const { return base.size_multiple(); }
  size_t latent_tap() const { return base.latent_tap(); }
  static int64_t LatentChannels(const LatentModelConfig<Base>& config) { return Base::LatentChannels(config.base); }
  std::string last_layer() const { return base.last_layer(); }
  // The policy's blocks see z's pixels; a signal that an image's positions share is one value an image.
  std::optional<NormExtent> SmallestNorm(int64_t height, int64_t width) const {
    const int64_t multiple = size_multiple();
    const int64_t pixels = ((height + multiple - 1) / multiple) * ((width + multiple - 1) / multiple);
    NormExtent own{pixels, "latent policy"};
    if (config.latent.draw == LatentDraw::kChannel && config.latent.modulation.kind == Modulation::kAttention)
      own = {std::min(pixels, int64_t{1}), "projection of the latent signal"};
    const std::optional<NormExtent> of_base = base.SmallestNorm(height, width);
    return of_base.has_value() && of_base->values <= own.values ? of_base : own;
  }

  LatentModelConfig<Base> config;
  Base base;
  LatentHead latent;

 private:
  static LatentModelConfig<Base> WithModulation(LatentModelConfig<Base> config) {
    config.base.extra_latent_channels =
        LatentModulation::ExtraChannels(Base::LatentChannels(config.base), config.latent.modulation.kind);
    return config;
  }
};

}  // namespace seg
