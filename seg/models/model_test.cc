// What seg::Model promises, for all models of this folder: the two halves, and which batches train.

#include "seg/models/model.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/runtime/error.h"
#include "autograd/testing/op_contract.h"
#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/ciss_net.h"
#include "seg/models/deeplabv3.h"
#include "seg/models/fcn.h"
#include "seg/models/latent.h"
#include "seg/models/pspnet.h"
#include "seg/models/segformer.h"
#include "seg/models/segmenter.h"
#include "seg/models/semantic_fpn.h"
#include "seg/models/setr.h"
#include "seg/models/sfpnext.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Tape;

const RandomKey kKey(71);
constexpr int64_t kClasses = 3;

// Configurations of a few channels. What is said of batch norms must not depend on widths, and may depend on strides.

SFPNeXtConfig TinySFPNeXt(int64_t stem_stride, bool attention) {
  SFPNeXtConfig config = *ConfigureSFPNeXt("micro", kClasses);
  config.encoder.depths = {1, 1, 1, 1};
  config.encoder.dims = {4, 4, 4, 4};
  config.encoder.stem_stride = stem_stride;
  config.encoder.drop_path = 0.3;
  config.decoder.attention = attention;
  config.decoder.width = config.decoder.pyramid_width = 4;
  config.decoder.attention_options.key_width = 2;
  return config;
}

template <typename Config>
Config TinyResNetEncoder(Config config, int64_t output_stride) {
  config.encoder.widths = {1, 1, 1, 2};
  config.encoder.stem_width = 2;
  config.encoder.output_stride = output_stride;
  return config;
}

DeepLabV3Config TinyDeepLab(int64_t output_stride, bool mmseg) {
  DeepLabV3Config config = TinyResNetEncoder(*ConfigureDeepLabV3("micro", kClasses), output_stride);
  if (mmseg) config.head = DeepLabHeadConfig::Mmseg();
  config.head.aspp.width = 4;
  config.auxiliary = true;
  config.auxiliary_head.width = 2;
  return config;
}

FcnConfig TinyFcn(int64_t output_stride, bool mmseg) {
  FcnConfig config = TinyResNetEncoder(*ConfigureFcn("micro", kClasses), output_stride);
  if (mmseg) config.head = FcnHeadConfig::Mmseg();
  config.head.width = 4;
  config.auxiliary = true;
  config.auxiliary_head.width = 2;
  return config;
}

PspNetConfig TinyPspNet(int64_t output_stride, std::vector<int64_t> bins) {
  PspNetConfig config = TinyResNetEncoder(*ConfigurePspNet("micro", kClasses), output_stride);
  config.head.width = 4;
  config.head.bins = std::move(bins);
  config.auxiliary = true;
  config.auxiliary_head.width = 2;
  return config;
}

ResNetSemanticFpnConfig TinySemanticFpn(ResNetStem stem) {
  ResNetSemanticFpnConfig config = TinyResNetEncoder(*ConfigureResNetSemanticFpn("micro", kClasses), 32);
  config.encoder.stem = stem;
  config.decoder.width = config.decoder.pyramid_width = 4;
  return config;
}

CissNetConfig TinyCissNet(int64_t stage, int64_t output_stride, bool train_features) {
  CissNetConfig config = TinyResNetEncoder(*ConfigureCissNet("micro", kClasses), output_stride);
  config.stage = stage;
  config.base_width = config.trunk_width = config.label_width = config.label_branch_width = 4;
  config.group_channels = 2;
  config.train_features = train_features;
  return config;
}

SegmenterConfig TinySegmenter(const char* encoder, std::vector<int64_t> taps) {
  SegmenterConfig config = *ConfigureSegmenter(encoder, kClasses);
  std::visit(
      [&](auto& given) {
        given.width = 16;
        given.depth = 2;
        given.taps = std::move(taps);
      },
      config.encoder);
  config.mask_transformer.depth = 1;
  config.mask_transformer.dropout = 0.1;
  return config;
}

SetrConfig TinySetr(int64_t convolutions, int64_t scale) {
  SetrConfig config = *ConfigureSetr("micro", kClasses);
  config.encoder.width = 16;
  config.encoder.drop_path = 0.3;
  config.auxiliary = true;
  for (SetrNaiveHeadConfig* const head : {&config.head, &config.auxiliary_head})
    *head = {.width = 4, .convolutions = convolutions, .scale = scale, .dropout = 0.1};
  return config;
}

SegFormerConfig TinySegFormer(const char* size) {
  SegFormerConfig config = *ConfigureSegFormer(size, kClasses);
  config.encoder.dims = {4, 4, 5, 8};
  config.encoder.drop_path = 0.3;
  config.head.width = 4;
  return config;
}

// Calls visit(name, model) for each.
template <typename Visit>
void ForEveryModel(const Visit& visit) {
  const auto with = [&](const char* name, auto model) {
    SCOPED_TRACE(name);
    visit(model);
  };
  with("SFPNeXt", SFPNeXt(TinySFPNeXt(4, true), kKey));
  with("SFPNeXt, stem of stride 2, no attention", SFPNeXt(TinySFPNeXt(2, false), kKey));
  with("DeepLabV3, stride 8", DeepLabV3(TinyDeepLab(8, false), kKey));
  with("DeepLabV3, stride 16, mmseg's head", DeepLabV3(TinyDeepLab(16, true), kKey));
  with("FCN, stride 8", Fcn(TinyFcn(8, false), kKey));
  with("FCN, stride 32, mmseg's head", Fcn(TinyFcn(32, true), kKey));
  with("PSPNet, stride 8", PspNet(TinyPspNet(8, {1, 2, 3, 6}), kKey));
  with("PSPNet, stride 16, no single bin", PspNet(TinyPspNet(16, {4, 2}), kKey));
  with("SemanticFPN", ResNetSemanticFpn(TinySemanticFpn(ResNetStem::kSingle), kKey));
  with("SemanticFPN, deep stem", ResNetSemanticFpn(TinySemanticFpn(ResNetStem::kDeep), kKey));
  with("SegFormer", SegFormer(TinySegFormer("micro"), kKey));
  with("SegFormer, NVlabs' form", SegFormer(TinySegFormer("micro_nvidia"), kKey));
  with("SegFormer, mmseg's head", SegFormer(TinySegFormer("micro_mmseg"), kKey));
  with("CiSS-Net", CissNet(TinyCissNet(2, 4, false), kKey));
  with("CiSS-Net, last stage at stride 8, training features", CissNet(TinyCissNet(4, 8, true), kKey));
  with("CiSS-Net, third stage of stride 16, training features", CissNet(TinyCissNet(3, 32, true), kKey));
  const auto latent = [&](LatentDraw draw, Modulation kind) {
    return LatentConfig{{.blocks = 2, .pool_height = 2, .pool_width = 2}, {.kind = kind, .heads = 2}, draw};
  };
  with("FCN with a latent policy",
       Latent<Fcn>({TinyFcn(8, false), latent(LatentDraw::kPosition, Modulation::kAttention)}, kKey));
  with("PSPNet with a latent policy of one draw an image",
       Latent<PspNet>({TinyPspNet(16, {4, 2}), latent(LatentDraw::kChannel, Modulation::kMultiplication)}, kKey));
  with("SFPNeXt with a latent policy",
       Latent<SFPNeXt>({TinySFPNeXt(4, true), latent(LatentDraw::kPosition, Modulation::kConcatenation)}, kKey));
  with("Segmenter with a latent policy",
       Latent<Segmenter>({TinySegmenter("micro", {}), latent(LatentDraw::kPosition, Modulation::kAddition)}, kKey));
  with("Segmenter", Segmenter(TinySegmenter("micro", {}), kKey));
  with("Segmenter, EVA-02 with taps", Segmenter(TinySegmenter("eva02_micro", {1, 0}), kKey));
  with("SETR", Setr(TinySetr(2, 2), kKey));
  with("SETR, heads at the stride of the patches", Setr(TinySetr(1, 1), kKey));
}

Array Images(int64_t count, int64_t height, int64_t width) {
  return autograd::testing::RandomArray({count, height, width, 3}, autograd::kFloat32, kKey, -2, 2);
}

std::vector<float> Values(const Variable& x) { return x.array().ToVector<float>(); }

TEST(Models, TwoHalvesMakeTheWhole) {
  ForEveryModel([](auto& model) {
    const int64_t height = 2 * model.size_multiple(), width = 3 * model.size_multiple();
    const Array images = Images(2, height, width);
    const nn::Context context = nn::Context::Training(kKey);
    const Features features = model.Encode(images, context);
    ASSERT_EQ(features.size(), model.latent_tap() + 1);
    // z is the coarsest tap, and at that stride no pixel is lost or added.
    const autograd::Shape& z = features[model.latent_tap()].shape();
    EXPECT_EQ(z[1], 2);
    EXPECT_EQ(z[2], 3);
    for (const Variable& feature : features) {
      EXPECT_EQ(feature.shape()[0], 2);
      EXPECT_GE(feature.shape()[1], z[1]);
      EXPECT_GE(feature.shape()[2], z[2]);
    }
    const Variable logits = model.Decode(features, context);
    EXPECT_EQ(logits.shape()[3], model.classes());
    EXPECT_EQ(Values(logits), Values(model(images, context)));  // with the same dropout
  });
}

TEST(Models, LogitsAreAFunctionOfTheLatentTap) {
  ForEveryModel([](auto& model) {
    const Array images = Images(2, 2 * model.size_multiple(), 2 * model.size_multiple());
    const nn::Context context = nn::Context::Training(kKey);
    const Features features = model.Encode(images, context);
    Tape tape;
    Features replaced = features;
    Variable& z = replaced[model.latent_tap()];
    const Variable watched = tape.Watch(Array::Full(z.shape(), z.dtype(), 0.5));
    z = watched * features[model.latent_tap()];
    const Variable logits = model.Decode(replaced, context);
    EXPECT_NE(Values(logits), Values(model.Decode(features, context)));
    tape.Backward(autograd::Mean(logits * autograd::testing::RandomArray(logits.shape(), autograd::kFloat32, kKey)));
    const std::vector<float> gradient = tape.Gradient(watched).template ToVector<float>();
    EXPECT_NE(gradient, std::vector<float>(gradient.size()));
    // The encoder is not on the tape.
    for (const nn::NamedParameter& named : nn::NamedParameters(model)) {
      const bool encoders = named.name.starts_with("encoder.") || named.name.starts_with("backbone.") ||
                            named.name.starts_with("segformer.encoder.");
      EXPECT_TRUE(!encoders || !named.parameter->has_gradient()) << named.name;
    }
  });
}

// What a policy appends to z reaches the logits, and nothing else of a model changes.
TEST(Models, ExtraLatentChannelsAreReadBehindTheEncoders) {
  int models = 0;
  ForEveryModel([&](auto& model) {
    using M = std::remove_reference_t<decltype(model)>;
    if constexpr (Extensible<M>) {
      ++models;
      auto config = model.config;
      config.extra_latent_channels = 3;
      M wider(config, kKey);
      const int64_t channels = M::LatentChannels(config);
      EXPECT_EQ(channels, M::LatentChannels(model.config));
      const Array images = Images(2, 2 * model.size_multiple(), 3 * model.size_multiple());
      const Features features = wider.Encode(images, {});
      const Variable& z = features[wider.latent_tap()];
      EXPECT_EQ(z.shape()[3], channels);
      EXPECT_EQ(Values(z), Values(model.Encode(images, {})[model.latent_tap()]));

      const auto decoded = [&](uint64_t draw) {
        autograd::Shape shape = z.shape();
        shape.Set(3, 3);
        Features extended = features;
        extended[wider.latent_tap()] =
            autograd::Concatenate({z, autograd::testing::RandomArray(shape, z.dtype(), RandomKey(draw))}, -1);
        return wider.Decode(extended, {});
      };
      EXPECT_EQ(decoded(1).shape(), model.Decode(features, {}).shape());
      EXPECT_NE(Values(decoded(1)), Values(decoded(2)));

      autograd::testing::ExpectError([&] { wider.Decode(features, {}); }, std::to_string(channels));
    }
  });
  EXPECT_GE(models, 8);
}

TEST(Models, WrongNumbersOfFeaturesAreErrors) {
  ForEveryModel([](auto& model) {
    Features features = model.Encode(Images(1, 64, 64), {});
    features.pop_back();
    autograd::testing::ExpectError([&] { model.Decode(features, {}); }, "features, not");
  });
}

// Bit for bit: no two heads share a parameter, and what an auxiliary head adds to the gradient of its tap comes before
// what later parts of the encoder add, which the tape holds before all heads.
TEST(Models, TheOrderOfTheHeadsChangesNoGradient) {
  ForEveryModel([](auto& model) {
    if constexpr (requires(const Features& features) { model.Auxiliary(features, nn::Context()); }) {
      const Array images = Images(2, 40, 56), labels = Array::Full({2, 40, 56}, autograd::kUInt8, 1);
      const nn::Context context = nn::Context::Training(kKey);
      std::array<std::vector<std::vector<float>>, 2> gradients;
      for (const bool auxiliary_first : {false, true}) {
        Tape tape;
        const Features features = model.Encode(images, context);
        Variable logits;
        std::vector<Variable> auxiliary;
        if (auxiliary_first) auxiliary = model.Auxiliary(features, context);
        logits = model.Decode(features, context);
        if (!auxiliary_first) auxiliary = model.Auxiliary(features, context);
        ASSERT_FALSE(auxiliary.empty());
        Variable loss = SegmentationLoss(logits, labels);
        for (const Variable& other : auxiliary) loss = loss + 0.4 * SegmentationLoss(other, labels);
        tape.Backward(loss);
        for (const nn::NamedParameter& named : nn::NamedParameters(model))
          gradients[auxiliary_first].push_back(named.parameter->gradient().template ToVector<float>());
        nn::ClearGradients(model);
      }
      EXPECT_EQ(gradients[0], gradients[1]);
    }
  });
}

// Whether a training pass over a batch is possible, by trying.
template <typename M>
bool Trains(M& model, int64_t batch, int64_t height, int64_t width, autograd::ReplicaSum replicas = {}) {
  try {
    const nn::Context context = nn::Context::Training(kKey, replicas);
    const Features features = model.Encode(Images(batch, height, width), context);
    if constexpr (requires { model.Auxiliary(features, context); }) model.Auxiliary(features, context);
    model.Decode(features, context);
    return true;
  } catch (const autograd::Error&) {
    return false;
  }
}

constexpr int64_t kSizes[][2] = {{1, 1},   {7, 9},   {8, 8},   {8, 9},   {15, 16}, {16, 16},
                                 {16, 17}, {31, 31}, {31, 64}, {32, 32}, {32, 33}, {33, 32},
                                 {32, 63}, {63, 63}, {64, 32}, {32, 64}, {47, 65}, {64, 64}};

TEST(Models, TheSmallestNormSaysWhichBatchesTrain) {
  int refused = 0, accepted = 0;
  ForEveryModel([&](auto& model) {
    for (const auto& [height, width] : kSizes) {
      const std::optional<NormExtent> norm = model.SmallestNorm(height, width);
      for (const int64_t batch : {1, 2, 3}) {
        const bool trains = !norm.has_value() || batch * norm->values > 1;
        EXPECT_EQ(Trains(model, batch, height, width), trains) << batch << " of " << height << "×" << width;
        ++(trains ? accepted : refused);
      }
    }
  });
  EXPECT_GT(refused, 0);
  EXPECT_GT(accepted, refused);
}

// Stands for a second rank that has the same images: its sums are this rank's.
constexpr autograd::ReplicaSum kTwin = {[](Array& sums, void*) {
  std::vector<double> values = sums.ToVector<double>();
  for (double& value : values) value *= 2;
  sums.CopyFrom(Array::From<double>(sums.shape(), values));
}};

TEST(Models, RanksMultiplyTheBatchOfTheSmallestNorm) {
  ForEveryModel([](auto& model) {
    for (const auto& [height, width] : kSizes) {
      const std::optional<NormExtent> norm = model.SmallestNorm(height, width);
      EXPECT_EQ(Trains(model, 1, height, width, kTwin), !norm.has_value() || 2 * norm->values > 1)
          << height << "×" << width;
    }
  });
}

// With one value a channel on each of two ranks the pass is the one of both images on one rank.
TEST(Models, OneValueOnEachOfTwoRanksIsABatchOfTwo) {
  DeepLabV3Config config = TinyDeepLab(8, false);
  config.head.projection_dropout = 0;
  DeepLabV3 split(config, kKey), whole(config, kKey);
  const Array one = Images(1, 40, 40);
  const Array two = autograd::Concatenate({Variable(one), Variable(one)}, 0).array();
  const std::vector<float> of_one = Values(split(one, nn::Context::Training(kKey, kTwin))),
                           of_two = Values(whole(two, nn::Context::Training(kKey)));
  for (size_t i = 0; i < of_one.size(); ++i) {
    EXPECT_NEAR(of_one[i], of_two[i], 1e-4f);
    EXPECT_NEAR(of_one[i], of_two[of_one.size() + i], 1e-4f);
  }
}

}  // namespace
}  // namespace seg
