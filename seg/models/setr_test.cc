// The values are compared with PyTorch's in tests/golden; here is what that does not show.

#include "seg/models/setr.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "autograd/ops/elementwise.h"
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
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;

const RandomKey kKey(61);

// The heads of the variants, of a few channels, on a small encoder.
SetrConfig SmallConfig(const SetrNaiveHeadConfig& head, const SetrNaiveHeadConfig& auxiliary_head) {
  SetrConfig config = *ConfigureSetr("micro", 3);
  config.encoder.width = 16;
  config.head = head;
  config.auxiliary = true;
  config.auxiliary_head = auxiliary_head;
  config.head.width = config.auxiliary_head.width = 8;
  return config;
}
SetrConfig SmallFudan() { return SmallConfig(SetrNaiveHeadConfig::Fudan(), SetrNaiveHeadConfig::Fudan()); }
SetrConfig SmallMmseg() { return SmallConfig(SetrNaiveHeadConfig::Mmseg(), SetrNaiveHeadConfig::MmsegAuxiliary()); }
SetrConfig SmallSssegmentation() {
  return SmallConfig(SetrNaiveHeadConfig::Sssegmentation(), SetrNaiveHeadConfig::Sssegmentation());
}

Array Images(int64_t count, int64_t height, int64_t width) {
  return RandomArray({count, height, width, 3}, autograd::kFloat32, kKey, -2, 2);
}

std::vector<float> Values(const Variable& x) { return x.array().ToVector<float>(); }

// The packages' totals, from an encoder of one block: the others are alike.
TEST(Setr, HasThePublicTotals) {
  struct Total {
    const char* size;
    int64_t classes, parameters;
  };
  for (const auto& [size, classes, parameters] :
       {Total{"vit_large_patch16_fudan", 150, 305361496}, Total{"vit_large_patch16", 21, 315977812},
        Total{"vit_large_patch16_cityscapes", 19, 306535500}}) {
    SetrConfig config = *ConfigureSetr(size, classes);
    EXPECT_EQ(config.encoder.taps, (std::vector<int64_t>{9, 14, 19}));
    EXPECT_EQ(config.encoder.depth, 24);
    config.auxiliary = true;
    config.encoder.depth = 1;
    config.encoder.taps = {0, 0, 0};
    Setr network(config, kKey);
    EXPECT_EQ(nn::ParameterCount(network) + 23 * nn::ParameterCount(network.encoder.blocks[0]), parameters)
        << size << ", " << classes << " classes";
  }
}

TEST(Setr, LogitsAreAtTheSizeThatTheHeadGives) {
  const Array images = Images(1, 30, 41);  // 4×6 patches, of which the last are cut
  struct Size {
    SetrConfig config;
    int64_t main, auxiliary;  // logits a patch
  };
  for (const auto& [config, main, auxiliary] :
       {Size{SmallFudan(), 1, 1}, Size{SmallMmseg(), 4, 16}, Size{SmallSssegmentation(), 16, 16}}) {
    Setr network(config, kKey);
    const Features features = network.Encode(images, {});
    ASSERT_EQ(features.size(), 4u);
    for (const Variable& feature : features) EXPECT_EQ(feature.shape(), (Shape{1, 4, 6, 16}));
    EXPECT_EQ(network.Decode(features, {}).shape(), (Shape{1, 4 * main, 6 * main, 3}));
    const std::vector<Variable> others = network.Auxiliary(features, {});
    ASSERT_EQ(others.size(), 3u);
    for (const Variable& other : others) EXPECT_EQ(other.shape(), (Shape{1, 4 * auxiliary, 6 * auxiliary, 3}));
  }
}

// Each auxiliary head reads its own tap alone, and the main head the last.
TEST(Setr, EachHeadIsOnItsOwnBlock) {
  Setr network(SmallMmseg(), kKey);
  const Features features = network.Encode(Images(1, 32, 32), {});
  const auto outputs = [&](const Features& given) {
    std::vector<Variable> logits = network.Auxiliary(given, {});
    logits.push_back(network.Decode(given, {}));
    return logits;
  };
  const std::vector<Variable> before = outputs(features);
  for (size_t changed = 0; changed < features.size(); ++changed) {
    Features other = features;
    other[changed] = Variable(RandomArray(features[changed].shape(), autograd::kFloat32, kKey));
    const std::vector<Variable> after = outputs(other);
    for (size_t head = 0; head < before.size(); ++head)
      EXPECT_EQ(Values(after[head]) != Values(before[head]), head == changed) << head << ", " << changed;
  }
  EXPECT_TRUE(AllClose(features[3].array(), network.encoder(Images(1, 32, 32), {}).map.array(), 0));

  SetrConfig config = SmallMmseg();
  config.auxiliary = false;
  Setr alone(config, kKey);
  EXPECT_TRUE(alone.Auxiliary(features, {}).empty());
  config.encoder.final_norm = true;
  ExpectError([&] { Setr(config, kKey); }, "no norm behind the last block");
  config = SmallMmseg();
  config.head.kernel = 2;
  ExpectError([&] { Setr(config, kKey); }, "kernel is 2");
}

TEST(Setr, UnknownNamesAreNotFound) {
  for (const char* size : {"vit_base_patch16", "micro_fudan", "vit_large_patch16_fudan_mmseg", "vit_large", ""}) {
    const absl::Status status = ConfigureSetr(size, 19).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << size;
    EXPECT_TRUE(absl::StrContains(status.message(), "vit_large_patch16_cityscapes")) << status.message();
  }
}

TEST(Setr, LastLayerHasItsOwnLearningRate) {
  Setr network(SmallSssegmentation(), kKey);
  std::vector<std::string> found;
  for (const nn::OptimizedParameter& optimized :
       nn::GroupParameters(network, {.rate_factors = {{network.last_layer(), 40}}})) {
    if (optimized.rate_factor == 40) found.push_back(optimized.name);
  }
  EXPECT_EQ(found, (std::vector<std::string>{"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}));
}

// 120 steps on one batch: the loss, of all four heads, falls to a third of what labels cost that are guessed, and every
// parameter moves.
TEST(Setr, LearnsABatchByHeartWithItsAuxiliaryHeads) {
  const testing::Batch batch = testing::ColouredPatches(32, kKey);
  for (const uint64_t seed : testing::kFirstWeights) {
    Setr network(SmallConfig({.scale = 1}, {.scale = 1}), RandomKey(seed));
    std::vector<std::vector<float>> before;
    for (const nn::NamedParameter& named : nn::NamedParameters(network))
      before.push_back(named.parameter->value().ToVector<float>());
    const std::vector<double> losses = testing::LearnByHeart(network, 120, 0.01, [&](const nn::Context& context) {
      const Features features = network.Encode(batch.images, context);
      Variable loss = SegmentationLoss(network.Decode(features, context), batch.labels);
      for (const Variable& other : network.Auxiliary(features, context))
        loss = loss + 0.4 * SegmentationLoss(other, batch.labels);
      return loss;
    });
    EXPECT_LT(losses.back(), 2.2 * testing::LossOfTheBestGuess(batch.labels) / 3) << "weights " << seed;
    const std::vector<nn::NamedParameter> after = nn::NamedParameters(network);
    for (size_t i = 0; i < after.size(); ++i)
      EXPECT_NE(after[i].parameter->value().ToVector<float>(), before[i]) << after[i].name;
  }
}

TEST(Setr, BFloat16StaysCloseToFloat32) {
  const testing::Batch batch = testing::ColouredPatches(32, kKey);
  SetrConfig config = SmallMmseg();
  Setr full(config, kKey);
  config.compute = autograd::kBFloat16;
  Setr half(config, kKey);
  Tape tape;
  const nn::Context training = nn::Context::Training(kKey);
  const Features features = half.Encode(batch.images, training);
  const Variable logits = half.Decode(features, training);
  EXPECT_EQ(features[3].dtype(), autograd::kBFloat16);
  EXPECT_EQ(logits.dtype(), autograd::kFloat32);
  EXPECT_EQ(half.Auxiliary(features, training).at(1).dtype(), autograd::kFloat32);
  const Variable expected = full(batch.images, training);
  testing::RoundWeights(full);
  const double moved = testing::RelativeDistance(full(batch.images, training), expected),
               apart = testing::RelativeDistance(logits, expected);
  EXPECT_GT(apart, 0);
  EXPECT_LT(apart, testing::kRoundingsOfALayer * moved);
  tape.Backward(SegmentationLoss(logits, batch.labels));
  EXPECT_EQ(half.encoder.tokens.positions.gradient().dtype(), autograd::kFloat32);
}

// A tensor that a network does not use.
nn::TensorSource Unused(const std::string& name, const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return {name, "F32", shape, [count] { return std::string(static_cast<size_t>(4 * count), '\0'); }};
}

// From our names to those of the packages, by hand from the table of what each calls its parts.
std::string MmsegEncoderName(const std::string& name, const std::string& prefix) {
  return absl::StrReplaceAll(name, {{"encoder.", prefix},
                                    {"patch_embed.proj.", "patch_embed.projection."},
                                    {"encoder.blocks.", prefix + "layers."},
                                    {".norm1.", ".ln1."},
                                    {".norm2.", ".ln2."},
                                    {".attn.qkv.", ".attn.attn.in_proj_"},
                                    {".attn.proj.", ".attn.attn.out_proj."},
                                    {".mlp.fc1.", ".ffn.layers.0.0."},
                                    {".mlp.fc2.", ".ffn.layers.1."}});
}

std::string MmsegName(const std::string& name) {
  return name.starts_with("encoder.") ? MmsegEncoderName(name, "backbone.") : name;
}

std::string FudanName(const std::string& name) {
  if (name.starts_with("encoder.")) return "backbone." + name.substr(8);
  return absl::StrReplaceAll(
      name, {{"up_convs.0.0.conv.", "conv_0."}, {"up_convs.0.0.bn.", "syncbn_fc_0."}, {"conv_seg.", "conv_1."}});
}

std::string SssegmentationName(const std::string& name) {
  if (name.starts_with("encoder.")) return MmsegEncoderName(name, "backbone_net.");
  if (name.starts_with("decode_head.norm.")) return "norm_layers.3." + name.substr(17);
  if (const size_t norm = name.find(".norm."); norm != std::string::npos)
    return absl::StrReplaceAll(name, {{"auxiliary_head.", "norm_layers."}, {".norm.", "."}});
  return absl::StrReplaceAll(name, {{"decode_head.", "decoder."},
                                    {"auxiliary_head.", "auxiliary_decoders."},
                                    {"up_convs.0.0.conv.", "0."},
                                    {"up_convs.0.0.bn.", "1."},
                                    {"up_convs.1.0.conv.", "4."},
                                    {"up_convs.1.0.bn.", "5."},
                                    {"conv_seg.", "9."}});
}

struct OtherPackage {
  const char* name;
  SetrConfig config;
  std::string (*rename)(const std::string&);
};

std::vector<OtherPackage> OtherPackages() {
  return {{"mmseg", SmallMmseg(), MmsegName},
          {"fudan", SmallFudan(), FudanName},
          {"sssegmentation", SmallSssegmentation(), SssegmentationName}};
}

// The main logits, then the auxiliary ones.
std::vector<std::vector<float>> OutputsOf(Setr& network, const Array& images) {
  const Features features = network.Encode(images, {});
  std::vector<std::vector<float>> values{Values(network.Decode(features, {}))};
  for (const Variable& other : network.Auxiliary(features, {})) values.push_back(Values(other));
  return values;
}

TEST(Setr, LoadsFilesOfThreePackages) {
  for (const auto& [name, config, rename] : OtherPackages()) {
    SCOPED_TRACE(name);
    Setr network(config, kKey);
    const Array images = Images(2, 64, 64);
    const nn::Context training = nn::Context::Training(kKey);  // moves the running statistics
    const Features moved = network.Encode(images, training);
    network.Decode(moved, training);
    network.Auxiliary(moved, training);
    const std::string ours = absl::StrCat(::testing::TempDir(), "/ours_", name, ".safetensors"),
                      theirs = absl::StrCat(::testing::TempDir(), "/theirs_", name, ".safetensors");
    ASSERT_TRUE(nn::SaveWeights(ours, network).ok());
    std::vector<nn::TensorSource> unused;
    if (std::string(name) == "fudan")
      unused = {Unused("decode_head.conv_seg.weight", {3, 512, 1, 1}), Unused("auxiliary_head.1.conv_seg.bias", {3})};
    testing::WriteRenamed(ours, theirs, rename, unused);
    for (const std::string& path : {ours, theirs}) {
      Setr other(config, RandomKey(9));
      const absl::StatusOr<nn::LoadReport> report = LoadSetr(path, other);
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_EQ(OutputsOf(other, images), OutputsOf(network, images));

      SetrConfig without = config;
      without.auxiliary = false;
      Setr alone(without, RandomKey(9));
      const absl::StatusOr<nn::LoadReport> part = LoadSetr(path, alone);
      ASSERT_TRUE(part.ok()) << part.status();
      EXPECT_EQ(Values(alone(images, {})), OutputsOf(network, images)[0]);
    }
    // The encoder alone, from the file of the whole.
    Setr encoder(config, RandomKey(9));
    const absl::StatusOr<nn::LoadReport> report = encoder.LoadEncoder(theirs);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(Values(encoder.Encode(images, {}).back()), Values(network.Encode(images, {}).back()));

    // A cold start on other classes: everything but the classifiers.
    SetrConfig colder = config;
    colder.classes = 7;
    Setr cold(colder, RandomKey(6));
    EXPECT_FALSE(LoadSetr(theirs, cold).ok());
    const absl::StatusOr<nn::LoadReport> cold_report = LoadSetr(theirs, cold, /*strict=*/false);
    ASSERT_TRUE(cold_report.ok()) << cold_report.status();
    EXPECT_EQ(cold_report->mismatched.size(), 8u);
    for (const std::string& line : cold_report->mismatched) EXPECT_TRUE(absl::StrContains(line, ".conv_seg.")) << line;
  }
}

std::string LoadRefusal(const std::string& path, const SetrConfig& config) {
  std::string message;
  for (const bool strict : {true, false}) {
    Setr network(config, RandomKey(9));
    const absl::Status status = LoadSetr(path, network, strict).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    message = std::string(status.message());
    // Untouched.
    EXPECT_EQ(network.encoder.tokens.positions.value().ToVector<float>(),
              Setr(config, RandomKey(9)).encoder.tokens.positions.value().ToVector<float>());
  }
  return message;
}

// Networks of the same shapes that resize in another way.
TEST(Setr, FilesOfOtherNetworksOfTheSameShapesAreRefused) {
  for (const auto& [name, config, rename] : OtherPackages()) {
    SCOPED_TRACE(name);
    const std::string ours = ::testing::TempDir() + "/ours.safetensors",
                      theirs = ::testing::TempDir() + "/w.safetensors";
    Setr network(config, kKey);
    ASSERT_TRUE(nn::SaveWeights(ours, network).ok());
    testing::WriteRenamed(ours, theirs, rename);
    const std::string owner = std::string(name) == "mmseg"   ? "mmseg's"
                              : std::string(name) == "fudan" ? "the authors'"
                                                             : "SSSegmentation's",
                      heads = std::string(name) == "fudan" ? "resizes nothing inside its heads"
                                                           : "resizes by 4 behind each convolution of its heads";
    SetrConfig other = config;
    other.head.scale = 2;
    EXPECT_EQ(LoadRefusal(theirs, other),
              absl::StrCat("'", theirs, "' is of ", owner, " SETR, which ", heads, ", unlike this network"));
    other = config;
    other.auxiliary_head.scale = 2;
    EXPECT_TRUE(absl::StrContains(LoadRefusal(theirs, other), heads));
    other.auxiliary = false;
    Setr alone(other, RandomKey(9));
    EXPECT_TRUE(LoadSetr(theirs, alone).ok());
    other = config;
    other.encoder.position_filter = PositionFilter::kBicubic;
    EXPECT_TRUE(absl::StrContains(LoadRefusal(theirs, other), "which resizes positions bilinearly, unlike"));
  }
  Setr untouched(SmallFudan(), kKey);
  EXPECT_EQ(LoadSetr(::testing::TempDir() + "/absent.safetensors", untouched).status().code(),
            absl::StatusCode::kNotFound);
}

// timm's file of a ViT, with a final norm, a classifier and positions of another size, into an encoder without the norm
// and, as SSSegmentation's for Cityscapes, without the patches' bias.
TEST(Setr, TakesItsEncoderFromTimmsFiles) {
  ViTConfig timm = *ConfigureViT("micro");
  timm.width = 16;
  timm.image_size = 32;
  ViT vit(timm, kKey);
  const std::string saved = ::testing::TempDir() + "/saved.safetensors",
                    file = ::testing::TempDir() + "/timm.safetensors";
  ASSERT_TRUE(nn::SaveWeights(saved, vit).ok());
  testing::WriteRenamed(saved, file, [](const std::string& name) { return name; }, {Unused("head.weight", {5, 16})});
  for (const bool bias : {true, false}) {
    SetrConfig config = SmallSssegmentation();
    config.encoder.patch_bias = bias;
    Setr network(config, RandomKey(9));
    const absl::StatusOr<nn::LoadReport> report = network.LoadEncoder(file);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->loaded.size(), nn::NamedParameters(network.encoder).size());
    EXPECT_EQ(network.encoder.tokens.projection.bias.defined(), bias);
    // 4×4 positions became 8×8, without aligned corners.
    const std::vector<float> positions = network.encoder.tokens.positions.value().ToVector<float>(),
                             given = vit.tokens.positions.value().ToVector<float>();
    const auto at = [](const std::vector<float>& values, int64_t side, int64_t y, int64_t x) {
      return values[(1 + y * side + x) * 16 + 3];
    };
    EXPECT_EQ(positions[3], given[3]);
    EXPECT_EQ(at(positions, 8, 0, 0), at(given, 4, 0, 0));
    EXPECT_NEAR(at(positions, 8, 0, 3), 0.75f * at(given, 4, 0, 1) + 0.25f * at(given, 4, 0, 2), 1e-7);
    EXPECT_NEAR(at(positions, 8, 4, 7), 0.25f * at(given, 4, 1, 3) + 0.75f * at(given, 4, 2, 3), 1e-7);
  }
}

TEST(SetrNaiveHead, NamesOfOtherSourcesBecomeMmsegs) {
  EXPECT_EQ(SetrHeadNameOfFudan("conv_0.bias", 1), "up_convs.0.0.conv.bias");
  EXPECT_EQ(SetrHeadNameOfFudan("syncbn_fc_0.running_var", 1), "up_convs.0.0.bn.running_var");
  EXPECT_EQ(SetrHeadNameOfFudan("conv_1.weight", 1), "conv_seg.weight");
  EXPECT_EQ(SetrHeadNameOfFudan("conv_seg.weight", 1), "");
  EXPECT_EQ(SetrHeadNameOfFudan("norm.weight", 1), "norm.weight");
  EXPECT_EQ(SetrHeadNameOfSssegmentation("5.weight", 1), "conv_seg.weight");
  EXPECT_EQ(SetrHeadNameOfSssegmentation("5.weight", 2), "up_convs.1.0.bn.weight");
  EXPECT_EQ(SetrHeadNameOfSssegmentation("4.weight", 2), "up_convs.1.0.conv.weight");
  EXPECT_EQ(SetrHeadNameOfSssegmentation("9.bias", 2), "conv_seg.bias");
  EXPECT_EQ(SetrHeadNameOfSssegmentation("norm.weight", 2), "norm.weight");
}

}  // namespace
}  // namespace seg
