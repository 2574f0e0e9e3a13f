// The values are compared with PyTorch's in tests/golden; here is what that does not show.

#include "seg/models/segmenter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
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

const RandomKey kKey(51);

SegmenterConfig SmallConfig(const std::string& encoder) {
  SegmenterConfig config = *ConfigureSegmenter(encoder, 3);
  std::visit(
      [](auto& given) {
        given.width = 16;
        given.depth = 2;
      },
      config.encoder);
  config.mask_transformer.depth = 1;
  return config;
}

// The totals of the authors' B/16 for images of 512 and 59 classes, from an encoder of one block.
TEST(Segmenter, HasThePublishedParameters) {
  SegmenterConfig config = *ConfigureSegmenter("vit_base_patch16", 59);
  std::get<ViTConfig>(config.encoder).image_size = 512;
  std::get<ViTConfig>(config.encoder).depth = 1;
  config.mask_transformer.depth = 1;
  Segmenter model(config, kKey);
  EXPECT_EQ(nn::ParameterCount(*model.vit) + 11 * nn::ParameterCount(model.vit->blocks[0]), 86434560);
  MaskTransformer& decoder = *model.mask_transformer;
  EXPECT_EQ(nn::ParameterCount(decoder) + nn::ParameterCount(decoder.blocks[0]), 15992950);
}

TEST(Segmenter, LogitsAreAtTheStrideOfThePatches) {
  for (const char* encoder : {"micro", "eva02_micro"}) {
    Segmenter model(*ConfigureSegmenter(encoder, 5), kKey);
    EXPECT_EQ(model(Array::Zeros({1, 70, 96, 3}, autograd::kFloat32), {}).shape(), (Shape{1, 9, 12, 5})) << encoder;
    EXPECT_EQ(model.size_multiple(), 8);
    EXPECT_EQ(model.eva02.has_value(), absl::StartsWith(encoder, "eva02"));
  }
  SegmenterConfig config = *ConfigureSegmenter("micro", 5);
  config.decoder = SegmenterConfig::Decoder::kLinear;
  Segmenter linear(config, kKey);
  EXPECT_EQ(linear(Array::Zeros({1, 64, 64, 3}, autograd::kFloat32), {}).shape(), (Shape{1, 8, 8, 5}));
  EXPECT_EQ(nn::ParameterCount(*linear.linear), 64 * 5 + 5);
  EXPECT_FALSE(ConfigureSegmenter("nothing", 5).ok());
  EXPECT_FALSE(ConfigureSegmenter("eva02_nothing", 5).ok());
  EXPECT_EQ(std::get<Eva02Config>(ConfigureSegmenter("eva02_large_patch14to16", 5)->encoder).patch, 16);
}

TEST(Segmenter, ResizedLogitsLeaveThePaddingOut) {
  const Array logits = RandomArray({2, 3, 2, 4}, autograd::kFloat32, kKey);
  EXPECT_EQ(ResizeLogits(logits, 8, 20, 16).shape(), (Shape{2, 20, 16, 4}));
  const Array whole = ResizeLogits(logits, 8, 24, 16).array(), part = ResizeLogits(logits, 8, 17, 11).array();
  // The same pixels, whatever is cut off.
  EXPECT_EQ(part.data<float>()[(5 * 11 + 7) * 4 + 1], whole.data<float>()[(5 * 16 + 7) * 4 + 1]);
  ExpectError([&] { ResizeLogits(logits, 8, 16, 16); }, "16×16 pixels");
}

TEST(Segmenter, LastLayerHasItsOwnLearningRate) {
  for (const auto decoder : {SegmenterConfig::Decoder::kMaskTransformer, SegmenterConfig::Decoder::kLinear}) {
    SegmenterConfig config = SmallConfig("micro");
    config.decoder = decoder;
    Segmenter model(config, kKey);
    std::vector<std::string> found;
    for (const nn::OptimizedParameter& optimized :
         nn::GroupParameters(model, {.rate_factors = {{model.last_layer(), 40}}})) {
      if (optimized.rate_factor == 40) found.push_back(optimized.name);
    }
    const std::string last = model.linear.has_value() ? "decoder.head" : "decoder.mask_norm";
    EXPECT_EQ(found, (std::vector<std::string>{last + ".weight", last + ".bias"}));
  }
}

// 120 steps on one batch: the loss falls to a fifth of what labels cost that are guessed, and every parameter moves.
TEST(Segmenter, LearnsABatchByHeart) {
  const testing::Batch batch = testing::ColouredPatches(32, kKey);
  for (const char* encoder : {"micro", "eva02_micro"}) {
    for (const uint64_t seed : testing::kFirstWeights) {
      Segmenter model(SmallConfig(encoder), RandomKey(seed));
      std::vector<std::vector<float>> before;
      for (const nn::NamedParameter& named : nn::NamedParameters(model))
        before.push_back(named.parameter->value().ToVector<float>());
      const std::vector<double> losses = testing::LearnByHeart(model, 120, 0.01, [&](const nn::Context& context) {
        return SegmentationLoss(model(batch.images, context), batch.labels);
      });
      EXPECT_LT(losses.back(), testing::LossOfTheBestGuess(batch.labels) / 5) << encoder << ", weights " << seed;
      const std::vector<nn::NamedParameter> after = nn::NamedParameters(model);
      for (size_t i = 0; i < after.size(); ++i)
        EXPECT_NE(after[i].parameter->value().ToVector<float>(), before[i]) << after[i].name;
    }
  }
}

TEST(Segmenter, BFloat16StaysCloseToFloat32) {
  const testing::Batch batch = testing::ColouredPatches(32, kKey);
  SegmenterConfig config = SmallConfig("eva02_micro");
  Segmenter full(config, kKey);
  config.compute = autograd::kBFloat16;
  Segmenter half(config, kKey);
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
  EXPECT_EQ(half.patch_tokens().positions.gradient().dtype(), autograd::kFloat32);
}

TEST(Segmenter, WeightsComeBack) {
  const std::string path = ::testing::TempDir() + "/segmenter.safetensors";
  const testing::Batch batch = testing::ColouredPatches(32, kKey);
  for (const char* encoder : {"micro", "eva02_micro"}) {
    Segmenter model(SmallConfig(encoder), kKey), other(SmallConfig(encoder), RandomKey(5));
    ASSERT_TRUE(nn::SaveWeights(path, model).ok());
    const absl::StatusOr<nn::LoadReport> report = LoadSegmenter(path, other);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(other(batch.images, {}).array().ToVector<float>(), model(batch.images, {}).array().ToVector<float>());
  }
  // A cold start on other classes and another size: everything but what a class has of its own.
  SegmenterConfig config = SmallConfig("eva02_micro");
  config.classes = 7;
  std::get<Eva02Config>(config.encoder).image_size = 48;
  Segmenter cold(config, RandomKey(6));
  const absl::StatusOr<nn::LoadReport> report = LoadSegmenter(path, cold, /*strict=*/false);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->mismatched, (std::vector<std::string>{"decoder.cls_emb: file (1, 3, 16) F32, model (1, 7, 16) F32",
                                                          "decoder.mask_norm.weight: file (3) F32, model (7) F32",
                                                          "decoder.mask_norm.bias: file (3) F32, model (7) F32"}));
  EXPECT_EQ(report->loaded.size() + 3, nn::NamedParameters(cold).size());
  EXPECT_EQ(cold.patch_tokens().positions.shape(), (Shape{1, 37, 16}));
}

// Saves a model under mmseg's names, with its two transposed matrices, and loads it back.
TEST(Segmenter, LoadsFilesOfMmseg) {
  const std::string ours = ::testing::TempDir() + "/ours.safetensors",
                    mmseg = ::testing::TempDir() + "/mmseg.safetensors";
  Segmenter model(SmallConfig("micro"), kKey), other(SmallConfig("micro"), RandomKey(5));
  ASSERT_TRUE(nn::SaveWeights(ours, model).ok());
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(ours);
  ASSERT_TRUE(file.ok());
  std::vector<nn::TensorSource> tensors;
  for (const nn::TensorInfo& tensor : file->tensors()) {
    const std::string name =
        absl::StrReplaceAll(tensor.name, {{"encoder.norm.", "backbone.ln1."},
                                          {"encoder.", "backbone."},
                                          {"decoder.decoder_norm", "decode_head.decoder_norm"},
                                          {"decoder.proj_patch", "decode_head.patch_proj.weight"},
                                          {"decoder.proj_classes", "decode_head.classes_proj.weight"},
                                          {"decoder.proj_dec", "decode_head.dec_proj"},
                                          {"decoder.", "decode_head."},
                                          {"patch_embed.proj", "patch_embed.projection"},
                                          {"blocks.", "layers."},
                                          {"norm1", "ln1"},
                                          {"norm2", "ln2"},
                                          {"attn.qkv.", "attn.attn.in_proj_"},
                                          {"attn.proj", "attn.attn.out_proj"},
                                          {"mlp.fc1", "ffn.layers.0.0"},
                                          {"mlp.fc2", "ffn.layers.1"}});
    std::string bytes = *file->Read(tensor);
    if (absl::EndsWith(name, "patch_proj.weight") || absl::EndsWith(name, "classes_proj.weight")) {
      const size_t width = static_cast<size_t>(tensor.shape[0]);
      const std::string given = bytes;
      for (size_t i = 0; i < width; ++i) {
        for (size_t j = 0; j < width; ++j)
          for (size_t byte = 0; byte < 4; ++byte) bytes[(i * width + j) * 4 + byte] = given[(j * width + i) * 4 + byte];
      }
    }
    tensors.push_back({name, tensor.dtype, tensor.shape, [bytes] { return bytes; }});
  }
  ASSERT_TRUE(nn::WriteSafetensors(mmseg, tensors).ok());
  const absl::StatusOr<nn::LoadReport> report = LoadSegmenter(mmseg, other);
  ASSERT_TRUE(report.ok()) << report.status();
  const Array images = testing::ColouredPatches(32, kKey).images;
  EXPECT_EQ(other(images, {}).array().ToVector<float>(), model(images, {}).array().ToVector<float>());
  EXPECT_EQ(SegmenterName("decode_head.conv_seg.weight"), "");
  EXPECT_EQ(SegmenterName("encoder.head.weight"), "");
  EXPECT_EQ(SegmenterName("decoder.blocks.1.norm1.bias"), "decoder.blocks.1.norm1.bias");
}

}  // namespace
}  // namespace seg
