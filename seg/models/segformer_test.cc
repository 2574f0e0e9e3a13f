// The values are compared with transformers' and PyTorch's in tests/golden; here is what that does not show.

#include "seg/models/segformer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/resize.h"
#include "autograd/testing/op_contract.h"
#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/testing.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Shape;
using autograd::Tape;
using autograd::testing::AllClose;
using autograd::testing::RandomArray;

const RandomKey kKey(51);

constexpr MiTPackage kPackages[] = {MiTPackage::kHuggingFace, MiTPackage::kNvidia, MiTPackage::kMmseg,
                                    MiTPackage::kSssegmentation};

SegFormerConfig Micro(const std::string& suffix = "", int64_t classes = 3) {
  return *ConfigureSegFormer("micro" + suffix, classes);
}

// Stripes of 16 pixels, across in one image and down in the other, whose classes differ in colour.
testing::Batch MakeBatch(int64_t size) {
  std::vector<float> pixels(2 * size * size * 3);
  std::vector<uint8_t> labels(2 * size * size);
  for (int64_t i = 0; i < 2 * size * size; ++i) {
    const int64_t place = i < size * size ? i / size : i % size;
    labels[i] = static_cast<uint8_t>(place / 16 % 3);
    for (int c = 0; c < 3; ++c) {
      pixels[i * 3 + c] = (c == labels[i] ? 1.0f : -1.0f) +
                          0.3f * autograd::UniformFloat(autograd::Philox(kKey, static_cast<uint64_t>(i * 3 + c)).x);
    }
  }
  labels[0] = 255;
  return {Array::From({2, size, size, 3}, pixels), Array::From({2, size, size}, labels)};
}

// The public totals, without the encoder's, which seg/encoders/mit_test.cc counts.
TEST(SegFormer, HeadsHaveThePublicTotals) {
  struct Total {
    const char* size;
    int64_t encoder;
    std::array<int64_t, 4> parameters;  // of 19, 21, 59 and 150 classes
  };
  constexpr std::array<int64_t, 4> kClasses = {19, 21, 59, 150};
  for (const auto& [size, encoder, parameters] :
       {Total{"mit_b0", 3319392, {3719027, 3719541, 3729307, 3752694}},
        Total{"mit_b1", 13151424, {13682131, 13682645, 13692411, 13715798}},
        Total{"mit_b1_mmseg", 13151424, {13683155, 13683669, 13693435, 13716822}},
        Total{"mit_b3", 44072128, {47237075, 47238613, 47267835, 47337814}},
        Total{"mit_b3_mmseg", 44072128, {44603859, 44604373, 44614139, 44637526}}}) {
    for (size_t i = 0; i < kClasses.size(); ++i) {
      const SegFormerConfig config = *ConfigureSegFormer(size, kClasses[i]);
      SegFormerHead head(config.encoder.dims, config.classes, config.head, kKey);
      EXPECT_EQ(encoder + nn::ParameterCount(head), parameters[i]) << size << ", " << kClasses[i];
    }
  }
  SegFormer whole(*ConfigureSegFormer("mit_b0", 150), kKey);
  EXPECT_EQ(nn::ParameterCount(whole), 3752694);
  EXPECT_FALSE(ConfigureSegFormer("mit_b6", 150).ok());
}

TEST(SegFormer, LogitsAreAtAFourth) {
  for (const char* suffix : {"", "_nvidia", "_mmseg"}) {
    SegFormer model(Micro(suffix, 5), kKey);
    EXPECT_EQ(model(Array::Zeros({1, 45, 64, 3}, autograd::kFloat32), {}).shape(), (Shape{1, 12, 16, 5})) << suffix;
  }
}

// What the head computes in another order: resize, concatenation, one 1×1 convolution.
TEST(SegFormerHead, IsTheFusionOfConcatenatedLevels) {
  for (const char* suffix : {"", "_mmseg"}) {
    SegFormerConfig config = Micro(suffix);
    config.head.dropout = 0;
    SegFormerHead head({5, 3, 4, 6}, 3, config.head, kKey);
    uint64_t index = 0;
    for (const nn::NamedParameter& named : nn::NamedParameters(head))
      named.parameter->Set(RandomArray(named.parameter->shape(), autograd::kFloat64, kKey.Split(index++), 0.5, 1.5));
    const std::vector<Variable> levels = {RandomArray({2, 9, 7, 5}, autograd::kFloat64, kKey.Split("c1"), -2, 1),
                                          RandomArray({2, 5, 4, 3}, autograd::kFloat64, kKey.Split("c2"), -2, 1),
                                          RandomArray({2, 3, 2, 4}, autograd::kFloat64, kKey.Split("c3"), -2, 1),
                                          RandomArray({2, 2, 1, 6}, autograd::kFloat64, kKey.Split("c4"), -2, 1)};
    for (const nn::NamedBuffer& named : nn::NamedBuffers(head)) {
      if (autograd::IsFloating(named.array->dtype()))
        *named.array = RandomArray(named.array->shape(), autograd::kFloat64, kKey.Split(index++), 0.5, 1.5);
    }
    const bool linear = !head.linear_levels.empty();
    std::vector<Variable> resized;
    for (const size_t i : {0, 1, 2, 3}) {
      const size_t level = linear ? 3 - i : i;
      const Variable projected = linear ? head.linear_levels[level](levels[level])
                                        : head.convolution_levels[level](levels[level], nn::Context());
      resized.push_back(autograd::ResizeBilinear(projected, 9, 7));
    }
    const Variable fused =
        head.fusion_norm(head.fusion(autograd::Concatenate(resized, -1)), nn::Context(), /*relu=*/true);
    EXPECT_TRUE(AllClose(head(levels, nn::Context()).array(), head.classifier(fused).array(), 1e-12)) << suffix;
    EXPECT_THROW(head({levels[0]}, nn::Context()), autograd::Error);
  }
}

TEST(SegFormerHead, DropsElementsOrChannels) {
  EXPECT_FALSE(SegFormerHeadConfig::HuggingFace(256).drop_channels);
  EXPECT_TRUE(SegFormerHeadConfig::Nvidia(256).drop_channels);
  EXPECT_TRUE(SegFormerHeadConfig::Mmseg().drop_channels);
  EXPECT_EQ(SegFormerHeadConfig::Mmseg().dropout, 0.1);
  SegFormer model(Micro(), kKey);
  const Array images = MakeBatch(32).images;
  const Features features = model.Encode(images, {});
  const auto train = [&](uint64_t key) {
    return model.Decode(features, nn::Context::Training(RandomKey(key))).array().ToVector<float>();
  };
  EXPECT_EQ(train(1), train(1));
  EXPECT_NE(train(1), train(2));
}

TEST(SegFormer, LastLayerHasItsOwnLearningRate) {
  for (const char* suffix : {"", "_mmseg"}) {
    SegFormer model(Micro(suffix), kKey);
    std::vector<std::string> found;
    // The recipe's factor of the head, and one of the classifier on top of it.
    for (const nn::OptimizedParameter& optimized :
         nn::GroupParameters(model, {.rate_factors = {{"decode_head", 10}, {model.last_layer(), 4}}})) {
      EXPECT_EQ(optimized.rate_factor >= 10, optimized.name.starts_with("decode_head.")) << optimized.name;
      if (optimized.rate_factor == 40) found.push_back(optimized.name);
    }
    EXPECT_EQ(found, (std::vector<std::string>{model.last_layer() + ".weight", model.last_layer() + ".bias"}));
  }
}

// 60 steps on one batch: the loss falls to a fifth of what labels cost that are guessed, and every parameter moves but
// the keys' biases, which softmax does not see, and those that the next batch norm takes out again.
TEST(SegFormer, LearnsABatchByHeart) {
  const testing::Batch batch = MakeBatch(64);
  for (const char* suffix : {"", "_mmseg"}) {
    for (const uint64_t seed : testing::kFirstWeights) {
      SegFormer model(Micro(suffix), RandomKey(seed));
      std::vector<std::vector<float>> before;
      for (const nn::NamedParameter& named : nn::NamedParameters(model))
        before.push_back(named.parameter->value().ToVector<float>());
      const std::vector<double> losses = testing::LearnByHeart(model, 60, 0.005, [&](const nn::Context& context) {
        return SegmentationLoss(model(batch.images, context), batch.labels);
      });
      EXPECT_LT(losses.back(), testing::LossOfTheBestGuess(batch.labels) / 5) << suffix << ", weights " << seed;
      const std::vector<nn::NamedParameter> after = nn::NamedParameters(model);
      for (size_t i = 0; i < after.size(); ++i) {
        const std::string& name = after[i].name;
        if (absl::EndsWith(name, "self.key.bias") || absl::EndsWith(name, "layer_norm.3.bias") ||
            (absl::StartsWith(name, "decode_head.linear_c.") && absl::EndsWith(name, ".bias")))
          continue;
        EXPECT_NE(after[i].parameter->value().ToVector<float>(), before[i]) << name;
      }
    }
  }
}

TEST(SegFormer, BFloat16StaysCloseToFloat32) {
  const testing::Batch batch = MakeBatch(32);
  SegFormerConfig config = Micro();
  SegFormer full(config, kKey);
  config.compute = autograd::kBFloat16;
  SegFormer half(config, kKey);
  Tape tape;
  const Variable logits = half(batch.images, nn::Context::Training(kKey));
  EXPECT_EQ(logits.dtype(), autograd::kFloat32);
  const Variable expected = full(batch.images, nn::Context::Training(kKey));
  testing::RoundWeights(full);
  const double moved = testing::RelativeDistance(full(batch.images, nn::Context::Training(kKey)), expected),
               apart = testing::RelativeDistance(logits, expected);
  EXPECT_GT(apart, 0);
  EXPECT_LT(apart, testing::kRoundingsOfALayer * moved);
  tape.Backward(SegmentationLoss(logits, batch.labels));
  EXPECT_EQ(half.encoder.stages[0].projection.weight.gradient().dtype(), autograd::kFloat32);
}

// The deepest level's projection reads them behind the encoder's own channels, and only there.
TEST(SegFormer, ExtraLatentChannelsAreReadByTheDeepestLevel) {
  for (const char* suffix : {"", "_mmseg"}) {
    SegFormerConfig config = Micro(suffix);
    SegFormer plain(config, kKey);
    config.extra_latent_channels = 5;
    SegFormer wide(config, kKey);
    EXPECT_EQ(nn::ParameterCount(wide), nn::ParameterCount(plain) + 5 * config.head.width);
    const Array images = MakeBatch(64).images;
    Features features = wide.Encode(images, {});
    EXPECT_EQ(features[wide.latent_tap()].shape(), (Shape{2, 2, 2, 64}));
    EXPECT_THROW(wide.Decode(features, {}), autograd::Error);
    const auto decode = [&](uint64_t key) {
      Features widened = features;
      const Array extra = RandomArray({2, 2, 2, 5}, autograd::kFloat32, RandomKey(key));
      widened[3] = autograd::Concatenate({features[3], Variable(extra)}, -1);
      return wide.Decode(widened, {}).array().ToVector<float>();
    };
    EXPECT_EQ(decode(1), decode(1));
    EXPECT_NE(decode(1), decode(2));
  }
}

TEST(SegFormer, FieldsHaveTheNamesOfThePackages) {
  struct Names {
    const char *ours, *theirs;
    MiTPackage package;
  };
  const Names names[] = {
      {"segformer.encoder.layer_norm.1.bias", "segformer.encoder.layer_norm.1.bias", MiTPackage::kHuggingFace},
      {"decode_head.linear_c.3.proj.weight", "decode_head.linear_c.3.proj.weight", MiTPackage::kHuggingFace},
      {"backbone.layer_norm.1.bias", "backbone.norm2.bias", MiTPackage::kNvidia},
      {"decode_head.linear_c.3.proj.weight", "decode_head.linear_c4.proj.weight", MiTPackage::kNvidia},
      {"decode_head.linear_fuse.weight", "decode_head.linear_fuse.conv.weight", MiTPackage::kNvidia},
      {"decode_head.batch_norm.running_var", "decode_head.linear_fuse.bn.running_var", MiTPackage::kNvidia},
      {"decode_head.classifier.bias", "decode_head.linear_pred.bias", MiTPackage::kNvidia},
      {"backbone.layer_norm.1.bias", "backbone.layers.1.2.bias", MiTPackage::kMmseg},
      {"decode_head.convs.2.bn.weight", "decode_head.convs.2.bn.weight", MiTPackage::kMmseg},
      {"decode_head.fusion_conv.conv.weight", "decode_head.fusion_conv.conv.weight", MiTPackage::kMmseg},
      {"decode_head.conv_seg.weight", "decode_head.conv_seg.weight", MiTPackage::kMmseg},
      {"backbone.layer_norm.1.bias", "backbone_net.layers.1.2.bias", MiTPackage::kSssegmentation},
      {"decode_head.convs.2.conv.weight", "convs.2.0.weight", MiTPackage::kSssegmentation},
      {"decode_head.convs.2.bn.running_mean", "convs.2.1.running_mean", MiTPackage::kSssegmentation},
      {"decode_head.fusion_conv.conv.weight", "decoder.0.weight", MiTPackage::kSssegmentation},
      {"decode_head.fusion_conv.bn.bias", "decoder.1.bias", MiTPackage::kSssegmentation},
      {"decode_head.conv_seg.weight", "decoder.4.weight", MiTPackage::kSssegmentation},
  };
  for (const auto& [ours, theirs, package] : names) EXPECT_EQ(SegFormerPublicNames(package)(ours).name, theirs);
  EXPECT_THROW(SegFormerPublicNames(MiTPackage::kMmseg)("encoder.layer_norm.1.bias"), autograd::Error);
}

// Out and in again under each package's names, and under our own.
TEST(SegFormer, FilesOfEachPackageComeBack) {
  const std::string theirs = ::testing::TempDir() + "/theirs.safetensors",
                    ours = ::testing::TempDir() + "/ours.safetensors";
  const Array images = MakeBatch(48).images;
  for (const MiTPackage package : kPackages) {
    SCOPED_TRACE(Owner(package));
    const SegFormerConfig config = Micro(MiTSuffix(package));
    SegFormer network(config, kKey);
    network(images, nn::Context::Training(kKey));  // moves the running statistics
    ASSERT_TRUE(SaveSegFormer(theirs, network, package).ok());
    ASSERT_TRUE(nn::SaveWeights(ours, network).ok());
    for (const std::string& path : {theirs, ours}) {
      SegFormer other(config, RandomKey(9));
      const absl::StatusOr<nn::LoadReport> report = LoadSegFormer(path, other);
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_EQ(other(images, {}).array().ToVector<float>(), network(images, {}).array().ToVector<float>());

      MiT encoder(config.encoder, RandomKey(9));
      const absl::StatusOr<nn::LoadReport> encoder_report = LoadMiT(path, encoder);
      ASSERT_TRUE(encoder_report.ok()) << encoder_report.status();
      EXPECT_TRUE(AllClose(encoder(images, {})[3].array(), network.Encode(images, {})[3].array(), 0));
    }
  }
}

TEST(SegFormer, OnlyNvidiasUnusedClassifierIsLeftOut) {
  const std::string path = ::testing::TempDir() + "/nvidia.safetensors",
                    more = ::testing::TempDir() + "/more.safetensors";
  for (const MiTPackage package : kPackages) {
    const SegFormerConfig config = Micro(MiTSuffix(package));
    SegFormer network(config, kKey);
    ASSERT_TRUE(SaveSegFormer(path, network, package).ok());
    for (const auto& [name, ignored] : {std::pair{"decode_head.conv_seg.bias", package == MiTPackage::kNvidia},
                                        {"decode_head.extra.bias", false},
                                        {"unknown.weight", false}}) {
      if (package == MiTPackage::kMmseg && absl::EndsWith(name, "conv_seg.bias")) continue;  // it has one
      testing::WriteRenamed(path, more, [](const std::string& same) { return same; },
                            {{name, "F32", {2}, [] { return std::string(8, '\0'); }}});
      EXPECT_EQ(LoadSegFormer(more, network).ok(), ignored) << Owner(package) << " " << name;
    }
  }
}

TEST(SegFormer, FilesOfOtherConventionsAreRefused) {
  const std::string path = ::testing::TempDir() + "/refused.safetensors";
  for (const MiTPackage written : kPackages) {
    SegFormer network(Micro(MiTSuffix(written)), kKey);
    ASSERT_TRUE(SaveSegFormer(path, network, written).ok());
    for (const MiTPackage other : kPackages) {
      if (std::string(MiTSuffix(other)) == MiTSuffix(written)) continue;
      EXPECT_EQ(SaveSegFormer(path + ".never", network, other).code(), absl::StatusCode::kFailedPrecondition);
      for (const bool strict : {true, false}) {
        SegFormer receiver(Micro(MiTSuffix(other)), RandomKey(9));
        const absl::Status status = LoadSegFormer(path, receiver, strict).status();
        EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
        EXPECT_TRUE(absl::StrContains(status.message(), Owner(written))) << status;
        EXPECT_TRUE(absl::StrContains(status.message(), "in the norms of the ")) << status;
        EXPECT_EQ(receiver.head.fusion.weight.value().ToVector<float>(),
                  SegFormer(Micro(MiTSuffix(other)), RandomKey(9)).head.fusion.weight.value().ToVector<float>());
      }
    }
  }
  SegFormer mmseg(Micro("_mmseg"), kKey), hugging_face(Micro(), kKey);
  ASSERT_TRUE(SaveSegFormer(path, mmseg, MiTPackage::kMmseg).ok());
  EXPECT_TRUE(
      absl::EndsWith(LoadSegFormer(path, hugging_face).status().message(),
                     "has ε 1e-06 in the norms of the stages and has a head with norms and ReLUs before the "
                     "levels are fused, unlike this network; a size of ConfigureSegFormer with '_mmseg' is like "
                     "it"));
  // What nn::SaveWeights writes of a network that is not Hugging Face's does not pass for one of Hugging Face's.
  SegFormer nvidia(Micro("_nvidia"), kKey);
  ASSERT_TRUE(nn::SaveWeights(path, nvidia).ok());
  EXPECT_EQ(LoadSegFormer(path, hugging_face).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(hugging_face.LoadEncoder(path).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(LoadSegFormer(::testing::TempDir() + "/absent.safetensors", nvidia).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(SegFormer, ColdStartsLeaveTheClassifier) {
  const std::string path = ::testing::TempDir() + "/cold.safetensors";
  for (const MiTPackage package : kPackages) {
    SegFormer network(Micro(MiTSuffix(package)), kKey), cold(Micro(MiTSuffix(package), 7), RandomKey(9));
    ASSERT_TRUE(SaveSegFormer(path, network, package).ok());
    EXPECT_FALSE(LoadSegFormer(path, cold).ok());
    const absl::StatusOr<nn::LoadReport> report = LoadSegFormer(path, cold, /*strict=*/false);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->mismatched.size(), 2u);
    EXPECT_TRUE(report->missing.empty());
    EXPECT_EQ(cold.head.fusion.weight.value().ToVector<float>(), network.head.fusion.weight.value().ToVector<float>());
    EXPECT_EQ(cold.encoder.stages[0].blocks[0].attention.attention.key->weight.value().ToVector<float>(),
              network.encoder.stages[0].blocks[0].attention.attention.key->weight.value().ToVector<float>());
  }
}

}  // namespace
}  // namespace seg
