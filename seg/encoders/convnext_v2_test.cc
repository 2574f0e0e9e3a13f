#include "seg/encoders/convnext_v2.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"
#include "nn/checkpoints/layouts.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Shape;
using autograd::Tape;

const RandomKey kKey(21);

ConvNeXtV2 Make(const std::string& size) { return ConvNeXtV2(*ConfigureConvNeXtV2(size), kKey); }

struct SizeCase {
  const char* size;
  size_t keys;
  int64_t parameters;
};

class Sizes : public ::testing::TestWithParam<SizeCase> {};

// Totals of timm's models without their classifiers.
TEST_P(Sizes, HaveTimmsTotals) {
  ConvNeXtV2 encoder = Make(GetParam().size);
  EXPECT_EQ(nn::NamedParameters(encoder).size(), GetParam().keys);
  EXPECT_EQ(nn::ParameterCount(encoder), GetParam().parameters);
  EXPECT_TRUE(nn::NamedBuffers(encoder).empty());
}

INSTANTIATE_TEST_SUITE_P(ConvNeXtV2, Sizes,
                         ::testing::Values(SizeCase{"atto", 136, 3386760}, SizeCase{"femto", 136, 4847472},
                                           SizeCase{"pico", 136, 8552256}, SizeCase{"nano", 156, 14981520},
                                           SizeCase{"tiny", 196, 27864960}),
                         [](const auto& info) { return info.param.size; });

class Names : public ::testing::TestWithParam<const char*> {};

// Names and shapes that timm printed (testdata/list_parameters.py).
TEST_P(Names, AndShapesAreTimms) {
  ConvNeXtV2 encoder = Make(GetParam());
  std::ifstream file(absl::StrCat("seg/encoders/testdata/convnextv2_", GetParam(), ".txt"));
  std::map<std::string, std::string> expected, actual;
  for (std::string name, shape; file >> name && std::getline(file, shape);) expected[name] = shape;
  for (const nn::NamedParameter& named : nn::NamedParameters(encoder)) {
    actual[named.name] = absl::StrCat(" ", absl::StrJoin(nn::PublicShape(named.layout, named.parameter->shape()), " "));
  }
  EXPECT_EQ(actual, expected);
}

INSTANTIATE_TEST_SUITE_P(ConvNeXtV2, Names, ::testing::Values("atto", "nano", "tiny"),
                         [](const auto& info) { return info.param; });

TEST(ConvNeXtV2, UnknownSizesAreNotFound) {
  const absl::Status status = ConfigureConvNeXtV2("huge").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(status.message(), "nano"));
}

TEST(ConvNeXtV2, TapsHalveFromStageToStage) {
  ConvNeXtV2 encoder = Make("micro");
  const auto taps = encoder(Array::Zeros({2, 64, 96, 3}, autograd::kFloat32), {});
  EXPECT_EQ(taps[0].shape(), (Shape{2, 16, 24, 16}));
  EXPECT_EQ(taps[1].shape(), (Shape{2, 8, 12, 32}));
  EXPECT_EQ(taps[2].shape(), (Shape{2, 4, 6, 64}));
  EXPECT_EQ(taps[3].shape(), (Shape{2, 2, 3, 128}));

  ConvNeXtV2Config config = *ConfigureConvNeXtV2("micro");
  config.stem_stride = 2;
  ConvNeXtV2 fine(config, kKey);
  EXPECT_EQ(fine(Array::Zeros({1, 64, 64, 3}, autograd::kFloat32), {})[3].shape(), (Shape{1, 4, 4, 128}));
}

TEST(ConvNeXtV2, DropPathRisesLinearlyOverAllBlocks) {
  ConvNeXtV2Config config = *ConfigureConvNeXtV2("micro");
  config.drop_path = 0.4;
  ConvNeXtV2 encoder(config, kKey);
  EXPECT_EQ(encoder.stages[0].blocks[0].drop_path.rate, 0);
  EXPECT_DOUBLE_EQ(encoder.stages[1].blocks[0].drop_path.rate, 0.1);
  EXPECT_DOUBLE_EQ(encoder.stages[2].blocks[1].drop_path.rate, 0.3);
  EXPECT_DOUBLE_EQ(encoder.stages[3].blocks[0].drop_path.rate, 0.4);
}

// The sum of squares of all taps, and its gradients.
std::vector<std::vector<float>> GradientsOf(const ConvNeXtV2Config& config, const Array& images) {
  ConvNeXtV2 encoder(config, kKey);
  Tape tape;
  Variable loss;
  for (const Variable& tap : encoder(images, nn::Context::Training(kKey))) {
    const Variable part = autograd::Sum(autograd::Square(tap));
    loss = loss.defined() ? loss + part : part;
  }
  tape.Backward(loss);
  std::vector<std::vector<float>> gradients;
  for (const nn::NamedParameter& named : nn::NamedParameters(encoder))
    gradients.push_back(named.parameter->gradient().ToVector<float>());
  return gradients;
}

TEST(ConvNeXtV2, CheckpointedBlocksGiveTheSameGradients) {
  ConvNeXtV2Config config{.depths = {1, 1, 1, 2}, .dims = {4, 6, 8, 10}, .drop_path = 0.5};
  const Array images = autograd::testing::RandomArray({3, 32, 32, 3}, autograd::kFloat32, kKey);
  const auto plain = GradientsOf(config, images);
  config.checkpoint_blocks = true;
  EXPECT_EQ(GradientsOf(config, images), plain);
}

TEST(ConvNeXtV2, NamesOfOtherSourcesBecomeTimms) {
  const std::pair<const char*, const char*> cases[] = {
      {"stem.0.weight", "stem.0.weight"},
      {"stages.2.blocks.1.mlp.grn.weight", "stages.2.blocks.1.mlp.grn.weight"},
      {"stages.1.downsample.0.bias", "stages.1.downsample.0.bias"},
      {"head.fc.weight", ""},
      {"head.norm.bias", ""},
      // facebookresearch/ConvNeXt-V2
      {"downsample_layers.0.1.bias", "stem.1.bias"},
      {"downsample_layers.3.1.weight", "stages.3.downsample.1.weight"},
      {"model.stages.3.0.dwconv.weight", "stages.3.blocks.0.conv_dw.weight"},
      {"stages.0.1.norm.bias", "stages.0.blocks.1.norm.bias"},
      {"stages.0.1.pwconv2.bias", "stages.0.blocks.1.mlp.fc2.bias"},
      {"stages.2.7.grn.gamma", "stages.2.blocks.7.mlp.grn.weight"},
      {"stages.2.7.grn.beta", "stages.2.blocks.7.mlp.grn.bias"},
      {"norm.weight", ""},
      {"head.bias", ""},
      // Hugging Face
      {"convnextv2.embeddings.patch_embeddings.weight", "stem.0.weight"},
      {"convnextv2.embeddings.layernorm.bias", "stem.1.bias"},
      {"convnextv2.encoder.stages.1.downsampling_layer.1.bias", "stages.1.downsample.1.bias"},
      {"convnextv2.encoder.stages.1.layers.0.layernorm.weight", "stages.1.blocks.0.norm.weight"},
      {"convnextv2.encoder.stages.1.layers.0.pwconv1.weight", "stages.1.blocks.0.mlp.fc1.weight"},
      {"convnextv2.encoder.stages.1.layers.0.grn.weight", "stages.1.blocks.0.mlp.grn.weight"},
      {"convnextv2.layernorm.weight", ""},
      {"classifier.weight", ""},
  };
  for (const auto& [from, to] : cases) EXPECT_EQ(ConvNeXtV2TimmName(from), to) << from;
}

// Saves an encoder under the original repository's names and ranks and loads it back.
TEST(ConvNeXtV2, LoadsFilesOfTheOriginalRepository) {
  ConvNeXtV2 encoder = Make("micro");
  const std::string path = ::testing::TempDir() + "/timm.safetensors",
                    original = ::testing::TempDir() + "/original.safetensors";
  ASSERT_TRUE(nn::SaveWeights(path, encoder).ok());
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok());
  std::vector<nn::TensorSource> tensors;
  for (const nn::TensorInfo& tensor : file->tensors()) {
    std::string name = tensor.name;
    std::vector<int64_t> shape = tensor.shape;
    const std::pair<const char*, const char*> renames[] = {{"stem.", "downsample_layers.0."},
                                                           {"blocks.", ""},
                                                           {"conv_dw", "dwconv"},
                                                           {"mlp.fc1", "pwconv1"},
                                                           {"mlp.fc2", "pwconv2"},
                                                           {"mlp.grn.weight", "grn.gamma"},
                                                           {"mlp.grn.bias", "grn.beta"}};
    for (const auto& [from, to] : renames) {
      if (const size_t at = name.find(from); at != std::string::npos) name.replace(at, std::string(from).size(), to);
    }
    if (const size_t at = name.find(".downsample"); at != std::string::npos) {
      name = absl::StrCat("downsample_layers.", name.substr(7, 1), name.substr(at + 11));
    }
    if (absl::StrContains(name, "grn")) shape = {1, 1, 1, shape[0]};
    if (absl::StrContains(name, "pwconv") && shape.size() == 4) shape.resize(2);
    tensors.push_back({name, tensor.dtype, shape, [&file, tensor] { return *file->Read(tensor); }});
  }
  tensors.push_back({"head.weight", "F32", {1}, [] { return std::string(4, '\0'); }});
  ASSERT_TRUE(nn::WriteSafetensors(original, tensors).ok());
  ConvNeXtV2 other(*ConfigureConvNeXtV2("micro"), RandomKey(99));
  const absl::StatusOr<nn::LoadReport> report = LoadConvNeXtV2(original, other);
  ASSERT_TRUE(report.ok()) << report.status();
  const Array images = autograd::testing::RandomArray({1, 64, 64, 3}, autograd::kFloat32, kKey);
  EXPECT_EQ(other(images, {})[3].array().ToVector<float>(), encoder(images, {})[3].array().ToVector<float>());
}

}  // namespace
}  // namespace seg
