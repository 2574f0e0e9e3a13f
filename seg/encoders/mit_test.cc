// MiT: sizes, names and files. Its values are compared with transformers' and PyTorch's in tests/golden.

#include "seg/encoders/mit.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "autograd/testing/op_contract.h"
#include "nn/checkpoints/weights.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Shape;
using autograd::testing::AllClose;
using autograd::testing::RandomArray;

const RandomKey kKey(61);

MiTConfig Micro(const char* suffix = "") { return *ConfigureMiT(absl::StrCat("micro", suffix)); }

// The public totals. Blocks of a stage are alike, so one a stage tells the size of the deep encoder.
TEST(MiT, HasThePublicTotals) {
  struct Total {
    const char* size;
    size_t tensors;
    int64_t parameters;
  };
  for (const auto& [size, tensors, parameters] :
       {Total{"mit_b0", 192, 3319392}, Total{"mit_b1", 192, 13151424}, Total{"mit_b3", 628, 44072128}}) {
    MiTConfig config = *ConfigureMiT(size);
    const std::array<int64_t, 4> depths = config.depths;
    config.depths = {1, 1, 1, 1};
    MiT shallow(config, kKey);
    size_t found = nn::NamedParameters(shallow).size();
    int64_t counted = nn::ParameterCount(shallow);
    for (int s = 0; s < 4; ++s) {
      found += static_cast<size_t>(depths[s] - 1) * nn::NamedParameters(shallow.stages[s].blocks[0]).size();
      counted += (depths[s] - 1) * nn::ParameterCount(shallow.stages[s].blocks[0]);
    }
    EXPECT_EQ(found, tensors) << size;
    EXPECT_EQ(counted, parameters) << size;
  }
  MiT whole(*ConfigureMiT("mit_b0"), kKey);
  EXPECT_EQ(nn::ParameterCount(whole), 3319392);
}

TEST(MiT, UnknownNamesAreNotFound) {
  for (const char* size : {"mit_b6", "b1", "mit_b1_timm", "_mmseg"}) {
    const absl::Status status = ConfigureMiT(size).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_TRUE(absl::StrContains(status.message(), "mit_b5")) << status.message();
  }
}

// The table of the packages' conventions, norm by norm.
TEST(MiT, EachKindOfNormHasItsEpsilon) {
  const std::pair<const char*, std::array<double, 4>> conventions[] = {
      {"", {1e-5, 1e-5, 1e-5, 1e-5}}, {"_nvidia", {1e-5, 1e-6, 1e-5, 1e-6}}, {"_mmseg", {1e-6, 1e-6, 1e-6, 1e-6}}};
  for (const auto& [suffix, epsilons] : conventions) {
    MiT encoder(Micro(suffix), kKey);
    for (MiTStage& stage : encoder.stages) {
      EXPECT_EQ(stage.projection_norm.epsilon, epsilons[0]);
      for (nn::MixTransformerBlock& block : stage.blocks) {
        EXPECT_EQ(block.norm1.epsilon, epsilons[1]);
        EXPECT_EQ(block.norm2.epsilon, epsilons[1]);
        if (block.attention.norm.has_value()) {
          EXPECT_EQ(block.attention.norm->epsilon, epsilons[2]);
        }
      }
      EXPECT_EQ(stage.norm.epsilon, epsilons[3]);
    }
  }
}

TEST(MiT, TapsAreAtFourStridesForImagesOfAnySize) {
  MiT encoder(Micro(), kKey);
  const auto taps = encoder(RandomArray({2, 45, 61, 3}, autograd::kFloat32, kKey), {});
  EXPECT_EQ(taps[0].shape(), (Shape{2, 12, 16, 16}));
  EXPECT_EQ(taps[1].shape(), (Shape{2, 6, 8, 32}));
  EXPECT_EQ(taps[2].shape(), (Shape{2, 3, 4, 40}));
  EXPECT_EQ(taps[3].shape(), (Shape{2, 2, 2, 64}));
  const auto pixels = MiT::TapPixels(45, 61);
  for (int s = 0; s < 4; ++s) EXPECT_EQ(pixels[s], taps[s].shape()[1] * taps[s].shape()[2]);
}

// The smallest image with an 8×8 map of stride 4.
TEST(MiT, SmallImagesLeaveAReductionNothing) {
  MiT encoder(Micro(), kKey);
  for (const auto& [height, width] : {std::pair{28, 64}, {64, 28}, {29, 29}, {8, 8}, {1, 1}}) {
    const Array images = Array::Zeros({1, height, width, 3}, autograd::kFloat32);
    EXPECT_EQ(encoder.Fits(height, width), height >= 29 && width >= 29);
    if (encoder.Fits(height, width)) {
      EXPECT_NO_THROW(encoder(images, {}));
    } else {
      EXPECT_THROW(encoder(images, {}), autograd::Error);
    }
  }
}

TEST(MiT, StochasticDepthRisesOverAllBlocks) {
  MiTConfig config = Micro();
  config.depths = {2, 1, 3, 1};
  config.drop_path = 0.6;
  MiT encoder(config, kKey);
  std::vector<double> rates;
  for (const MiTStage& stage : encoder.stages) {
    for (const nn::MixTransformerBlock& block : stage.blocks) rates.push_back(block.drop_path.rate);
  }
  ASSERT_EQ(rates.size(), 7u);
  for (size_t i = 0; i < rates.size(); ++i) EXPECT_NEAR(rates[i], 0.1 * static_cast<double>(i), 1e-12);
  EXPECT_EQ(ConfigureMiT("mit_b2")->drop_path, 0.1);
}

TEST(MiT, CheckpointedBlocksGiveTheSameTaps) {
  MiTConfig config = Micro();
  config.drop_path = 0.5;
  MiT plain(config, kKey);
  config.checkpoint_blocks = true;
  MiT checkpointed(config, kKey);
  const Array images = RandomArray({2, 32, 32, 3}, autograd::kFloat32, kKey);
  const nn::Context context = nn::Context::Training(kKey);
  autograd::Tape tape;
  const auto taps = plain(images, context), same = checkpointed(images, context);
  for (int s = 0; s < 4; ++s) EXPECT_TRUE(AllClose(same[s].array(), taps[s].array(), 0));
}

// From the table of what each package calls its parts.
TEST(MiT, FieldsHaveTheNamesOfThePackages) {
  struct Names {
    const char *ours, *nvidia, *mmseg;
  };
  const Names names[] = {
      {"patch_embeddings.0.proj.weight", "patch_embed1.proj.weight", "layers.0.0.projection.weight"},
      {"patch_embeddings.3.layer_norm.bias", "patch_embed4.norm.bias", "layers.3.0.norm.bias"},
      {"block.1.0.layer_norm_1.weight", "block2.0.norm1.weight", "layers.1.1.0.norm1.weight"},
      {"block.2.17.layer_norm_2.bias", "block3.17.norm2.bias", "layers.2.1.17.norm2.bias"},
      {"block.0.1.attention.self.query.bias", "block1.1.attn.q.bias", "layers.0.1.1.attn.attn.in_proj_bias"},
      {"block.0.1.attention.self.key.weight", "block1.1.attn.kv.weight", "layers.0.1.1.attn.attn.in_proj_weight"},
      {"block.0.1.attention.self.value.weight", "block1.1.attn.kv.weight", "layers.0.1.1.attn.attn.in_proj_weight"},
      {"block.0.1.attention.output.dense.weight", "block1.1.attn.proj.weight",
       "layers.0.1.1.attn.attn.out_proj.weight"},
      {"block.0.1.attention.self.sr.weight", "block1.1.attn.sr.weight", "layers.0.1.1.attn.sr.weight"},
      {"block.0.1.attention.self.layer_norm.bias", "block1.1.attn.norm.bias", "layers.0.1.1.attn.norm.bias"},
      {"block.3.0.mlp.dense1.weight", "block4.0.mlp.fc1.weight", "layers.3.1.0.ffn.layers.0.weight"},
      {"block.3.0.mlp.dwconv.dwconv.bias", "block4.0.mlp.dwconv.dwconv.bias", "layers.3.1.0.ffn.layers.1.bias"},
      {"block.3.0.mlp.dense2.bias", "block4.0.mlp.fc2.bias", "layers.3.1.0.ffn.layers.4.bias"},
      {"layer_norm.2.weight", "norm3.weight", "layers.2.2.weight"},
  };
  for (const auto& [ours, nvidia, mmseg] : names) {
    EXPECT_EQ(MiTPublicName(MiTPackage::kHuggingFace, ours).name, ours);
    EXPECT_EQ(MiTPublicName(MiTPackage::kNvidia, ours).name, nvidia);
    EXPECT_EQ(MiTPublicName(MiTPackage::kMmseg, ours).name, mmseg);
    EXPECT_EQ(MiTPublicName(MiTPackage::kSssegmentation, ours).name, mmseg);
  }
  EXPECT_EQ(MiTPublicName(MiTPackage::kMmseg, "block.0.0.mlp.dense1.weight").layout, nn::Layout::kPointwiseConv2d);
  EXPECT_FALSE(MiTPublicName(MiTPackage::kNvidia, "block.0.0.mlp.dense1.weight").layout.has_value());
  EXPECT_THROW(MiTPublicName(MiTPackage::kNvidia, "stem.weight"), autograd::Error);
}

// A file of the encoder under the package's names with `prefix` in front, and a tensor of a head that it has no use
// for.
void WriteFile(const std::string& path, MiT& encoder, MiTPackage package, const std::string& prefix,
               const std::string& head) {
  const std::string bare = path + ".bare";
  nn::RenamedModule theirs(encoder, [package](const std::string& field) { return MiTPublicName(package, field); });
  ASSERT_TRUE(nn::SaveWeights(bare, theirs).ok());
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(bare);
  ASSERT_TRUE(file.ok());
  std::vector<nn::TensorSource> tensors;
  for (const nn::TensorInfo& tensor : file->tensors())
    tensors.push_back(
        {prefix + tensor.name, tensor.dtype, tensor.shape, [&file, tensor] { return *file->Read(tensor); }});
  tensors.push_back({head, "F32", {2}, [] { return std::string(8, '\0'); }});
  ASSERT_TRUE(nn::WriteSafetensors(path, tensors).ok());
}

TEST(MiT, LoadsFilesOfFourPackages) {
  struct File {
    MiTPackage package;
    const char *prefix, *head;
  };
  const File files[] = {{MiTPackage::kHuggingFace, "segformer.encoder.", "classifier.bias"},
                        {MiTPackage::kHuggingFace, "encoder.", "decode_head.batch_norm.bias"},
                        {MiTPackage::kHuggingFace, "module.", "classifier.bias"},
                        {MiTPackage::kNvidia, "", "head.bias"},
                        {MiTPackage::kNvidia, "backbone.", "decode_head.conv_seg.bias"},
                        {MiTPackage::kMmseg, "", "head.bias"},
                        {MiTPackage::kMmseg, "backbone.", "decode_head.conv_seg.bias"},
                        {MiTPackage::kSssegmentation, "backbone_net.", "convs.0.1.bias"}};
  const std::string path = ::testing::TempDir() + "/mit.safetensors";
  const Array images = RandomArray({1, 41, 64, 3}, autograd::kFloat32, kKey);
  for (const auto& [package, prefix, head] : files) {
    SCOPED_TRACE(absl::StrCat(prefix, head));
    MiT encoder(Micro(MiTSuffix(package)), kKey), other(Micro(MiTSuffix(package)), RandomKey(9));
    WriteFile(path, encoder, package, prefix, head);
    const absl::StatusOr<nn::LoadReport> report = LoadMiT(path, other);
    ASSERT_TRUE(report.ok()) << report.status();
    const auto taps = encoder(images, {}), same = other(images, {});
    for (int s = 0; s < 4; ++s) EXPECT_TRUE(AllClose(same[s].array(), taps[s].array(), 0));
  }
}

TEST(MiT, FilesWhoseNormsHaveAnotherEpsilonAreRefused) {
  const std::string path = ::testing::TempDir() + "/epsilon.safetensors";
  MiT encoder(Micro(), kKey);
  const auto refusal = [&](MiTPackage package, const char* suffix) {
    WriteFile(path, encoder, package, "backbone.", "head.bias");
    MiT other(Micro(suffix), RandomKey(9));
    const absl::Status status = LoadMiT(path, other).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(other.stages[0].projection.weight.value().ToVector<float>(),
              MiT(Micro(suffix), RandomKey(9)).stages[0].projection.weight.value().ToVector<float>());
    return std::string(status.message());
  };
  EXPECT_EQ(
      refusal(MiTPackage::kNvidia, "_mmseg"),
      absl::StrCat("'", path,
                   "' is of NVlabs' MiT, which has ε 1e-05 in the norms of the patch embeddings and has ε 1e-05 "
                   "in the norms of the reductions, unlike this encoder; a size of ConfigureMiT with '_nvidia' is "
                   "like it"));
  EXPECT_TRUE(absl::StrContains(refusal(MiTPackage::kMmseg, ""), "mmseg's MiT, which has ε 1e-06 in the norms of the"));
  EXPECT_TRUE(absl::EndsWith(refusal(MiTPackage::kMmseg, "_nvidia"), "with '_mmseg' is like it"));

  // The names of Hugging Face's without a "backbone." in front, which its files do not have.
  WriteFile(path, encoder, MiTPackage::kHuggingFace, "", "classifier.bias");
  MiT nvidia(Micro("_nvidia"), kKey);
  EXPECT_TRUE(
      absl::EndsWith(LoadMiT(path, nvidia).status().message(),
                     "has ε 1e-05 in the norms of the blocks and has ε 1e-05 in the norms of the stages, unlike "
                     "this encoder; a size of ConfigureMiT without a suffix is like it"));
}

TEST(MiT, IncompleteAndForeignFilesAreRefused) {
  const std::string path = ::testing::TempDir() + "/incomplete.safetensors";
  MiTConfig config = Micro();
  config.depths = {1, 1, 2, 1};
  MiT encoder(Micro(), kKey);
  for (const MiTPackage package : {MiTPackage::kHuggingFace, MiTPackage::kNvidia}) {
    MiTConfig own = Micro(MiTSuffix(package));
    MiT small(own, kKey);
    own.depths = config.depths;
    MiT large(own, kKey);
    WriteFile(path, small, package, "", "classifier.bias");
    EXPECT_EQ(LoadMiT(path, large).status().code(), absl::StatusCode::kFailedPrecondition);
    WriteFile(path, large, package, "", "classifier.bias");
    EXPECT_EQ(LoadMiT(path, small).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(LoadMiT(::testing::TempDir() + "/absent.safetensors", encoder).status().code(),
            absl::StatusCode::kNotFound);
  ASSERT_TRUE(nn::WriteSafetensors(path, {{"conv1.weight", "F32", {2}, [] { return std::string(8, '\0'); }}}).ok());
  EXPECT_EQ(LoadMiT(path, encoder).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace seg
