// The plain vision transformers, ViT and EVA-02. Their values are compared with timm's in tests/golden.

#include "seg/encoders/vit.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/resize.h"
#include "autograd/testing/op_contract.h"
#include "nn/checkpoints/layouts.h"
#include "nn/optimizers/optimizer.h"
#include "seg/encoders/eva02.h"
#include "seg/encoders/layer_decay.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Shape;
using autograd::Tape;
using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;

const RandomKey kKey(41);

// With one block; blocks are alike, so it tells the size of the deep encoder.
template <typename Encoder, typename Config>
Encoder Shallow(Config config) {
  config.depth = 1;
  return Encoder(config, kKey);
}

// `total` is what timm publishes, `classifier` what of it is the layer of 1000 classes.
template <typename Encoder>
void ExpectTotals(Encoder& shallow, int64_t depth, size_t keys, int64_t total, int64_t classifier) {
  const size_t others = static_cast<size_t>(depth - 1);
  nn::ModuleReference block(shallow.blocks[0]);
  EXPECT_EQ(nn::NamedParameters(shallow).size() + others * nn::NamedParameters(block).size(), keys);
  EXPECT_EQ(nn::ParameterCount(shallow) + (depth - 1) * nn::ParameterCount(block), total - classifier);
}

// Names and shapes that timm printed (testdata/list_parameters.py), of the first block.
template <typename Encoder>
void ExpectNames(Encoder& shallow, const std::string& list) {
  std::ifstream file("seg/encoders/testdata/" + list);
  std::map<std::string, std::string> expected, actual;
  for (std::string name, shape; file >> name && std::getline(file, shape);) {
    if (absl::StartsWith(name, "blocks.0.") || !absl::StartsWith(name, "blocks."))
      expected[Eva02TimmName(name)] = shape;
  }
  for (const nn::NamedParameter& named : nn::NamedParameters(shallow)) {
    actual[named.name] = absl::StrCat(" ", absl::StrJoin(nn::PublicShape(named.layout, named.parameter->shape()), " "));
  }
  EXPECT_EQ(actual, expected);
}

TEST(ViT, HasTimmsTotalsAndNames) {
  ViT base = Shallow<ViT>(*ConfigureViT("vit_base_patch16")), large = Shallow<ViT>(*ConfigureViT("vit_large_patch16"));
  ExpectTotals(base, 12, 150, 86567656, 769000);
  ExpectTotals(large, 24, 294, 304326632, 1025000);
  ExpectNames(base, "vit_base_patch16_224.txt");
}

TEST(Eva02, HasTimmsTotalsAndNames) {
  Eva02 large = Shallow<Eva02>(*ConfigureEva02("eva02_large_patch14"));
  ExpectTotals(large, 24, 462, 305080232, 1025000);
  ExpectNames(large, "eva02_large_patch14_448.txt");
}

TEST(ViT, UnknownNamesAreNotFound) {
  const absl::Status vit = ConfigureViT("vit_huge").status(), eva02 = ConfigureEva02("eva02_huge").status();
  EXPECT_EQ(vit.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(vit.message(), "vit_large_patch16"));
  EXPECT_EQ(eva02.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(eva02.message(), "eva02_large_patch14to16"));
}

TEST(ViT, MapsHaveAPixelForEveryPatchEvenACutOne) {
  ViTConfig config = *ConfigureViT("micro");
  config.taps = {3, 0};
  ViT encoder(config, kKey);
  const TransformerFeatures features = encoder(Array::Zeros({2, 64, 41, 3}, autograd::kFloat32), {});
  EXPECT_EQ(features.map.shape(), (Shape{2, 8, 6, 64}));
  ASSERT_EQ(features.taps.size(), 2u);
  EXPECT_EQ(features.taps[0].shape(), (Shape{2, 8, 6, 64}));
  // The first tap is the last block, before the norm.
  EXPECT_TRUE(AllClose((*encoder.norm)(features.taps[0]).array(), features.map.array(), 1e-6));
  EXPECT_FALSE(AllClose(features.taps[1].array(), features.taps[0].array(), 1e-3));
  config.taps = {4};
  ExpectError([&] { ViT(config, kKey); }, "no block 4 among 4");
}

TEST(ViT, WithoutFinalNormTheMapIsTheLastBlock) {
  ViTConfig config = *ConfigureViT("micro");
  config.taps = {3};
  config.final_norm = false;
  ViT encoder(config, kKey);
  const TransformerFeatures features = encoder(RandomArray({1, 32, 32, 3}, autograd::kFloat32, kKey), {});
  EXPECT_TRUE(AllClose(features.map.array(), features.taps[0].array(), 0));
}

TEST(ViT, PositionsOfAnotherGridAreBicubicAndKeepTheClassRow) {
  const Array positions = RandomArray({1, 10, 5}, autograd::kFloat32, kKey);
  EXPECT_TRUE(ResizePositions(positions, 3, 3).array().SharesStorageWith(positions));
  const Array resized = ResizePositions(positions, 4, 2).array();
  EXPECT_EQ(resized.shape(), (Shape{1, 9, 5}));
  const auto before = positions.ToVector<float>(), after = resized.ToVector<float>();
  for (int c = 0; c < 5; ++c) EXPECT_EQ(after[c], before[c]);
  // A constant grid stays constant: the weights of every pixel add up to one.
  const auto constant = ResizePositions(Array::Full({1, 10, 5}, autograd::kFloat32, 3), 7, 2).array().ToVector<float>();
  for (float value : constant) EXPECT_NEAR(value, 3, 1e-5);
  ExpectError([] { ResizePositions(Array::Zeros({1, 9, 5}, autograd::kFloat32), 4, 2); }, "9 rows");
}

TEST(ViT, PositionsMayBeResizedBilinearly) {
  const Array positions = RandomArray({1, 5, 3}, autograd::kFloat32, kKey);
  const auto before = positions.ToVector<float>(),
             after = ResizePositions(positions, 2, 4, PositionFilter::kBilinear).array().ToVector<float>();
  ASSERT_EQ(after.size(), 27u);
  for (int c = 0; c < 3; ++c) {
    EXPECT_EQ(after[c], before[c]);
    // Centres at −¼, ¼, ¾ and 5⁄4 of the two columns.
    for (int row = 0; row < 2; ++row) {
      const float left = before[3 * (1 + 2 * row) + c], right = before[3 * (2 + 2 * row) + c];
      const float expected[] = {left, 0.75f * left + 0.25f * right, 0.25f * left + 0.75f * right, right};
      for (int column = 0; column < 4; ++column)
        EXPECT_NEAR(after[3 * (1 + 4 * row + column) + c], expected[column], 1e-6) << row << ", " << column;
    }
  }
  // A pass over images of another size has them, too.
  ViTConfig config = *ConfigureViT("micro");
  const Array images = RandomArray({1, 32, 48, 3}, autograd::kFloat32, kKey);
  ViT bicubic(config, kKey);
  config.position_filter = PositionFilter::kBilinear;
  ViT bilinear(config, kKey);
  EXPECT_FALSE(AllClose(bilinear(images, {}).map.array(), bicubic(images, {}).map.array(), 1e-6));
  const Array learned = RandomArray({1, 64, 64, 3}, autograd::kFloat32, kKey);
  EXPECT_TRUE(AllClose(bilinear(learned, {}).map.array(), bicubic(learned, {}).map.array(), 0));
}

// timm's numbers at row 3, column 5: a grid of 32 halves the coordinates, one of 16 keeps them.
TEST(Eva02, RotationIsTimms) {
  const nn::RotaryTable halved = Eva02Rotation(32, 32, 64, 16), whole = Eva02Rotation(16, 16, 64, 16);
  EXPECT_EQ(halved.cosine.shape(), (Shape{1025, 32}));
  const auto entry = [](const Array& table, int64_t grid, int64_t y, int64_t x, int64_t pair) {
    return table.ToVector<float>()[(1 + y * grid + x) * 32 + pair];
  };
  EXPECT_NEAR(entry(halved.sine, 32, 3, 5, 0), 0.997495, 1e-6);
  EXPECT_NEAR(entry(halved.cosine, 32, 3, 5, 0), 0.070737, 1e-6);
  EXPECT_NEAR(entry(halved.sine, 32, 3, 5, 16), 0.598472, 1e-6);
  EXPECT_NEAR(entry(halved.cosine, 32, 3, 5, 17), 0.164196, 1e-6);
  EXPECT_NEAR(entry(whole.sine, 16, 3, 5, 0), 0.141120, 1e-6);
  EXPECT_NEAR(entry(whole.cosine, 16, 3, 5, 16), 0.283662, 1e-6);
  EXPECT_NEAR(entry(whole.sine, 16, 3, 5, 17), 0.323935, 1e-6);
  EXPECT_EQ(halved.cosine.ToVector<float>()[7], 1);  // the class token
  EXPECT_EQ(halved.sine.ToVector<float>()[7], 0);
  ExpectError([] { Eva02Rotation(2, 2, 6, 16); }, "heads of 6 channels");
}

// The sum of squares of the map and the taps, and its gradients.
template <typename Encoder, typename Config>
std::vector<std::vector<float>> GradientsOf(const Config& config, const Array& images) {
  Encoder encoder(config, kKey);
  Tape tape;
  const TransformerFeatures features = encoder(images, nn::Context::Training(kKey));
  Variable loss = autograd::Sum(autograd::Square(features.map));
  for (const Variable& tap : features.taps) loss = loss + autograd::Sum(autograd::Square(tap));
  tape.Backward(loss);
  std::vector<std::vector<float>> gradients;
  for (const nn::NamedParameter& named : nn::NamedParameters(encoder))
    gradients.push_back(named.parameter->gradient().template ToVector<float>());
  return gradients;
}

template <typename Encoder, typename Config>
void ExpectCheckpointsChangeNothing(Config config) {
  config.width = 16;
  config.drop_path = 0.5;
  config.taps = {1};
  const Array images = RandomArray({3, 24, 24, 3}, autograd::kFloat32, kKey);
  const auto plain = GradientsOf<Encoder>(config, images);
  config.checkpoint_blocks = true;
  EXPECT_EQ(GradientsOf<Encoder>(config, images), plain);
}

TEST(ViT, CheckpointedBlocksGiveTheSameGradients) {
  ExpectCheckpointsChangeNothing<ViT>(*ConfigureViT("micro"));
  ExpectCheckpointsChangeNothing<Eva02>(*ConfigureEva02("micro"));
}

TEST(ViT, DropPathRisesLinearly) {
  ViTConfig config = *ConfigureViT("micro");
  config.drop_path = 0.3;
  ViT encoder(config, kKey);
  EXPECT_EQ(encoder.blocks[0].drop_path.rate, 0);
  EXPECT_DOUBLE_EQ(encoder.blocks[1].drop_path.rate, 0.1);
  EXPECT_DOUBLE_EQ(encoder.blocks[3].drop_path.rate, 0.3);
}

TEST(ViT, BFloat16StaysCloseToFloat32) {
  Eva02 encoder(*ConfigureEva02("micro"), kKey);
  const Variable images(RandomArray({2, 48, 64, 3}, autograd::kFloat32, kKey));
  const Variable expected = encoder(images, {}).map,
                 actual = encoder(autograd::Cast(images, autograd::kBFloat16), {}).map;
  EXPECT_EQ(actual.dtype(), autograd::kBFloat16);
  const auto wide = autograd::Cast(actual, autograd::kFloat32).array();
  EXPECT_TRUE(AllClose(wide, expected.array(), 0.05));
}

TEST(ViT, NamesOfOtherSourcesBecomeTimms) {
  const std::pair<const char*, const char*> vit[] = {
      {"blocks.3.attn.qkv.weight", "blocks.3.attn.qkv.weight"},
      {"module.pos_embed", "pos_embed"},
      {"head.weight", ""},
      {"pre_logits.fc.weight", ""},
      {"mask_token", ""},
      // rstrudel/segmenter
      {"encoder.patch_embed.proj.bias", "patch_embed.proj.bias"},
      {"encoder.head.bias", ""},
      {"decoder.cls_emb", ""},
      // mmseg
      {"backbone.patch_embed.projection.weight", "patch_embed.proj.weight"},
      {"backbone.layers.11.ln1.bias", "blocks.11.norm1.bias"},
      {"backbone.layers.0.attn.attn.in_proj_weight", "blocks.0.attn.qkv.weight"},
      {"backbone.layers.0.attn.attn.in_proj_bias", "blocks.0.attn.qkv.bias"},
      {"backbone.layers.0.attn.attn.out_proj.weight", "blocks.0.attn.proj.weight"},
      {"backbone.layers.0.ffn.layers.0.0.weight", "blocks.0.mlp.fc1.weight"},
      {"backbone.layers.0.ffn.layers.1.bias", "blocks.0.mlp.fc2.bias"},
      {"backbone.ln1.weight", "norm.weight"},
      {"decode_head.cls_emb", ""},
      // SSSegmentation
      {"backbone_net.layers.11.ln2.bias", "blocks.11.norm2.bias"},
      {"norm_layers.3.weight", ""},
      {"auxiliary_decoders.0.1.bias", ""},
      {"decoder.9.bias", ""},
      // Hugging Face
      {"vit.embeddings.cls_token", "cls_token"},
      {"vit.embeddings.position_embeddings", "pos_embed"},
      {"vit.embeddings.patch_embeddings.projection.weight", "patch_embed.proj.weight"},
      {"vit.encoder.layer.2.layernorm_after.weight", "blocks.2.norm2.weight"},
      {"vit.encoder.layer.2.attention.attention.key.bias", "blocks.2.attn.k_proj.bias"},
      {"vit.encoder.layer.2.attention.output.dense.bias", "blocks.2.attn.proj.bias"},
      {"vit.encoder.layer.2.intermediate.dense.weight", "blocks.2.mlp.fc1.weight"},
      {"vit.encoder.layer.2.output.dense.weight", "blocks.2.mlp.fc2.weight"},
      {"vit.layernorm.bias", "norm.bias"},
      {"vit.pooler.dense.weight", ""},
      {"classifier.weight", ""},
  };
  for (const auto& [from, to] : vit) EXPECT_EQ(ViTTimmName(from), to) << from;
  const std::pair<const char*, const char*> eva02[] = {
      {"blocks.3.mlp.fc1_g.weight", "blocks.3.mlp.fc1_g.weight"},
      {"fc_norm.weight", "norm.weight"},
      {"head.bias", ""},
      {"lm_head.bias", ""},
      {"mask_token", ""},
      {"rope.freqs_cos", ""},
      {"blocks.0.attn.rope.freqs_sin", ""},
      {"model.blocks.3.mlp.w1.weight", "blocks.3.mlp.fc1_g.weight"},
      {"model.blocks.3.mlp.w2.bias", "blocks.3.mlp.fc1_x.bias"},
      {"blocks.3.mlp.w3.bias", "blocks.3.mlp.fc2.bias"},
      {"blocks.3.mlp.ffn_ln.bias", "blocks.3.mlp.norm.bias"},
      {"blocks.3.attn.q_bias", "blocks.3.attn.q_proj.bias"},
      {"blocks.3.attn.v_bias", "blocks.3.attn.v_proj.bias"},
      {"blocks.3.attn.k_bias", ""},
  };
  for (const auto& [from, to] : eva02) EXPECT_EQ(Eva02TimmName(from), to) << from;
}

// Saves an encoder under other names, loads it into another one and compares the maps.
TEST(ViT, LoadsFilesOfHuggingFace) {
  ViT encoder(*ConfigureViT("micro"), kKey), other(*ConfigureViT("micro"), RandomKey(99));
  const std::string timm = ::testing::TempDir() + "/timm.safetensors",
                    hugging_face = ::testing::TempDir() + "/hugging_face.safetensors";
  const Array images = RandomArray({1, 64, 64, 3}, autograd::kFloat32, kKey);
  const Array expected = encoder(images, {}).map.array();
  {
    std::vector<std::unique_ptr<nn::SplitProjections>> split;
    for (nn::TransformerBlock& block : encoder.blocks)
      split.push_back(std::make_unique<nn::SplitProjections>(block.attention));
    ASSERT_TRUE(nn::SaveWeights(timm, encoder).ok());
  }
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(timm);
  ASSERT_TRUE(file.ok());
  std::vector<nn::TensorSource> tensors;
  for (const nn::TensorInfo& tensor : file->tensors()) {
    std::string name = tensor.name;
    if (absl::StartsWith(name, "norm.")) name = absl::StrReplaceAll(name, {{"norm.", "layernorm."}});
    name = absl::StrReplaceAll(name, {{"cls_token", "embeddings.cls_token"},
                                      {"pos_embed", "embeddings.position_embeddings"},
                                      {"patch_embed.proj", "embeddings.patch_embeddings.projection"},
                                      {"blocks.", "encoder.layer."},
                                      {"norm1", "layernorm_before"},
                                      {"norm2", "layernorm_after"},
                                      {"attn.q_proj", "attention.attention.query"},
                                      {"attn.k_proj", "attention.attention.key"},
                                      {"attn.v_proj", "attention.attention.value"},
                                      {"attn.proj", "attention.output.dense"},
                                      {"mlp.fc1", "intermediate.dense"},
                                      {"mlp.fc2", "output.dense"}});
    tensors.push_back({"vit." + name, tensor.dtype, tensor.shape, [&file, tensor] { return *file->Read(tensor); }});
  }
  ASSERT_TRUE(nn::WriteSafetensors(hugging_face, tensors).ok());
  const nn::Parameter* const weight = &other.blocks[1].attention.qkv->weight;
  const absl::StatusOr<nn::LoadReport> report = LoadViT(hugging_face, other);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(&other.blocks[1].attention.qkv->weight, weight);
  EXPECT_EQ(other(images, {}).map.array().ToVector<float>(), expected.ToVector<float>());
}

TEST(ViT, LoadingResizesPositions) {
  const std::string path = ::testing::TempDir() + "/positions.safetensors";
  ViTConfig config = *ConfigureViT("micro");
  ViT encoder(config, kKey);
  ASSERT_TRUE(nn::SaveWeights(path, encoder).ok());
  config.image_size = 96;
  ViT larger(config, RandomKey(99));
  const absl::StatusOr<nn::LoadReport> report = LoadViT(path, larger);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(larger.tokens.positions.shape(), (Shape{1, 145, 64}));
  // Images of the larger size see the same positions either way, and the same operations from there.
  const Array images = RandomArray({1, 96, 96, 3}, autograd::kFloat32, kKey);
  EXPECT_TRUE(AllClose(larger(images, {}).map.array(), encoder(images, {}).map.array(), 0));

  // What does not fit leaves the encoder as it was.
  config.width = 32;
  ViT narrow(config, kKey);
  const auto before = narrow.tokens.positions.value().ToVector<float>();
  EXPECT_FALSE(LoadViT(path, narrow).ok());
  EXPECT_EQ(narrow.tokens.positions.value().ToVector<float>(), before);
}

TEST(Eva02, LoadingResizesThePatchesOfAuthorsFiles) {
  const std::string path = ::testing::TempDir() + "/patches.safetensors";
  Eva02Config config = *ConfigureEva02("micro");
  Eva02 encoder(config, kKey);
  ASSERT_TRUE(nn::SaveWeights(path, encoder).ok());
  config.patch = 10;
  config.image_size = 80;
  Eva02 larger(config, RandomKey(99));
  const absl::StatusOr<nn::LoadReport> report = LoadEva02(path, larger);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(larger.tokens.projection.weight.shape(), (Shape{64, 10, 10, 3}));
  EXPECT_TRUE(AllClose(larger.tokens.projection.weight.value(),
                       autograd::ResizeBicubic(encoder.tokens.projection.weight.value(), 10, 10).array(), 0));
  EXPECT_TRUE(AllClose(larger.tokens.positions.value(), encoder.tokens.positions.value(), 0));
}

// EVA-02's segmentation recipe: 24 blocks at 0.9.
TEST(TransformerLayerDecay, IsTheRuleOfBeit) {
  const std::vector<nn::RateFactor> factors = TransformerLayerDecay("encoder", 24, 0.9);
  ASSERT_EQ(factors.size(), 27u);
  EXPECT_EQ(factors[1].prefix, "encoder.pos_embed");
  EXPECT_NEAR(factors[1].factor, 0.0718, 1e-4);
  EXPECT_EQ(factors[3].prefix, "encoder.blocks.0");
  EXPECT_NEAR(factors[3].factor, 0.0798, 1e-4);
  EXPECT_NEAR(factors[14].factor, 0.2542, 1e-4);
  EXPECT_NEAR(factors[26].factor, 0.9, 1e-12);

  ViT encoder(*ConfigureViT("micro"), kKey);
  for (const nn::OptimizedParameter& optimized :
       nn::GroupParameters(encoder, {.weight_decay = 0.05, .rate_factors = TransformerLayerDecay("", 4, 0.5)})) {
    if (optimized.name == "pos_embed") {
      EXPECT_EQ(optimized.rate_factor, 1.0 / 32);
      EXPECT_EQ(optimized.weight_decay, 0);
    }
    if (optimized.name == "blocks.3.mlp.fc1.weight") {
      EXPECT_EQ(optimized.rate_factor, 0.5);
      EXPECT_EQ(optimized.weight_decay, 0.05);
    }
    if (optimized.name == "norm.weight") {
      EXPECT_EQ(optimized.rate_factor, 1);
    }
  }
}

}  // namespace
}  // namespace seg
