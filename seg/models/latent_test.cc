#include "seg/models/latent.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/testing/op_contract.h"
#include "nn/nn.h"
#include "seg/models/fcn.h"

namespace seg {
namespace {

using autograd::testing::ExpectError;
using autograd::testing::RandomArray;

const RandomKey kKey(17);
constexpr int64_t kChannels = 16;

constexpr Modulation kKinds[] = {Modulation::kAttention, Modulation::kAddition, Modulation::kMultiplication,
                                 Modulation::kConcatenation};

Latent<Fcn> Tiny(Modulation kind, LatentDraw draw = LatentDraw::kPosition) {
  FcnConfig config = *ConfigureFcn("micro", 3);
  config.encoder.widths = {2, 2, 2, kChannels / 4};
  config.encoder.stem_width = 4;
  config.head.width = 8;
  LatentConfig latent;
  latent.modulation = {.kind = kind, .heads = 4};
  latent.draw = draw;
  return {{config, latent}, kKey};
}

Array Images() { return RandomArray({2, 32, 48, 3}, autograd::kFloat32, kKey, -2, 2); }
std::vector<float> Values(const Variable& x) { return x.array().ToVector<float>(); }

TEST(LatentTest, DecodeTakesTheSignalThatInferenceAsksFor) {
  for (const Modulation kind : kKinds) {
    for (const LatentDraw draw : {LatentDraw::kPosition, LatentDraw::kChannel}) {
      Latent<Fcn> network = Tiny(kind, draw);
      const nn::Context context{.key = kKey.Split(1)}, other{.key = kKey.Split(2)};
      const Features features = network.Encode(Images(), context);
      const Variable& z = features[network.latent_tap()];
      const LatentDistribution pi = network.latent.policy(z, context.Split("latent_policy"));
      const auto decoded = [&](const Variable& signal, const nn::Context& at) {
        return Values(network.Decode(network.latent.Modulated(features, signal, at), at));
      };
      const std::vector<float> at_mean = decoded(pi.mean, context), at_zero = decoded({}, context);
      EXPECT_EQ(Values(network.Decode(features, context)), at_mean);
      EXPECT_EQ(Values(network.Decode(features, other)), at_mean);
      EXPECT_NE(at_mean, at_zero);
      network.latent.inference.signal = LatentSignal::kZero;
      EXPECT_EQ(Values(network.Decode(features, context)), at_zero);
      network.latent.inference.signal = LatentSignal::kSample;
      const std::vector<float> sampled = Values(network.Decode(features, context));
      EXPECT_EQ(Values(network.Decode(features, context)), sampled);
      EXPECT_NE(sampled, at_mean);
      EXPECT_NE(Values(network.Decode(features, other)), sampled);
    }
  }
}

// A signal that all positions share is that signal at every position.
TEST(LatentTest, AnImagesSignalIsThatOfEachPosition) {
  for (const Modulation kind : kKinds) {
    Latent<Fcn> network = Tiny(kind);
    const Features features = network.Encode(Images(), {});
    const Variable& z = features[network.latent_tap()];
    const Array signal = RandomArray({2, kChannels}, autograd::kFloat32, kKey);
    const Variable everywhere = LatentHead::AtPositions(Variable(signal), z);
    const std::vector<float> once =
                                 Values(network.Decode(network.latent.Modulated(features, Variable(signal), {}), {})),
                             repeated = Values(network.Decode(network.latent.Modulated(features, everywhere, {}), {}));
    ASSERT_EQ(once.size(), repeated.size());
    for (size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(once[i], repeated[i], 1e-5 * (1 + std::abs(once[i])));
  }
}

TEST(LatentTest, BoundsOfLogSigma) {
  for (const bool bounded : {true, false}) {
    LatentPolicy policy(kChannels, {.bounded = bounded, .map_scale = 100}, kKey);
    const LatentDistribution pi = policy(RandomArray({2, 5, 7, kChannels}, autograd::kFloat32, kKey, -3, 3), {});
    float largest = 0;
    for (const float value : Values(pi.log_deviation)) largest = std::max(largest, std::abs(value));
    EXPECT_EQ(largest <= LatentPolicy::kLargestLogDeviation, bounded);
  }
}

TEST(LatentTest, TheBasesWeightsKeepTheirNames) {
  Latent<Fcn> network = Tiny(Modulation::kAttention);
  int of_policy = 0, of_base = 0;
  for (const nn::NamedParameter& named : nn::NamedParameters(network)) {
    const bool latent = named.name.starts_with("latent_policy.") || named.name.starts_with("latent_modulation.");
    const bool base = named.name.starts_with("backbone.") || named.name.starts_with("classifier.");
    EXPECT_NE(latent, base) << named.name;
    of_policy += latent;
    of_base += base;
  }
  EXPECT_GT(of_policy, 0);
  EXPECT_GT(of_base, 0);
}

TEST(LatentTest, Misuse) {
  Latent<Fcn> network = Tiny(Modulation::kAttention);
  const Features features = network.Encode(Images(), {});
  const Array wrong = Array::Zeros({2, 2, 2, kChannels}, autograd::kFloat32);
  ExpectError([&] { network.latent.Modulated(features, Variable(wrong), {}); }, "LatentModulation: signal");
  ExpectError([&] { network.latent.Modulated({features[0]}, {}, {}); }, "LatentHead: modulates tap 3 of 1");
  ExpectError([&] { LatentModulation(kChannels, {.heads = 3}, kKey); }, "3 heads do not divide 16 channels");
  ExpectError([&] { LatentPolicy(kChannels, {.blocks = 0}, kKey); }, "LatentPolicy: needs blocks");
  LatentPolicy policy(kChannels, {}, kKey);
  ExpectError([&] { policy(Array::Zeros({1, 4, 4, 8}, autograd::kFloat32), {}); }, "for a policy over 16 channels");
}

}  // namespace
}  // namespace seg
