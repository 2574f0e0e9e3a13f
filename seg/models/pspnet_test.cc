#include "seg/models/pspnet.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "autograd/ops/elementwise.h"
#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/resnet_testing.h"
#include "seg/models/testing.h"

namespace seg {
namespace {

using autograd::Array;
using testing::Batch;
using testing::BrightHalves;
using testing::HeadParameters;
using testing::Images;
using testing::kKey;
using testing::SmallPspNet;
using testing::WriteRenamed;

TEST(PspNet, HeadsHaveThePublicTotals) {
  const auto total = [](const PspNetConfig& config, int64_t auxiliary_width) {
    FcnHeadConfig auxiliary = config.auxiliary_head;
    auxiliary.width = auxiliary_width;
    return HeadParameters<PyramidPooling>(2048, config.head, config.classes) +
           HeadParameters<FcnHead>(1024, auxiliary, config.classes) + 23527264;
  };
  // Classes, mmseg's PSPNet and SSSegmentation's on a ResNet-50 v1c.
  const int64_t totals[][3] = {
      {19, 48975494, 51340166}, {21, 48977034, 51342218}, {59, 49006294, 51381206}, {150, 49076364, 51474572}};
  for (const auto& [classes, mmseg, sssegmentation] : totals) {
    const PspNetConfig config = *ConfigurePspNet("resnet50_v1c", classes);
    EXPECT_EQ(total(config, config.auxiliary_head.width), mmseg) << classes;
    EXPECT_EQ(total(config, 512), sssegmentation) << classes;
  }
}

// semseg's as tests/golden/pspnet.py counts it.
TEST(PspNet, WholeNetworksHaveThePublicTotals) {
  const std::pair<const char*, int64_t> totals[] = {{"resnet50_v1c", 49076364}, {"resnet50_semseg", 49180908}};
  for (const auto& [size, total] : totals) {
    PspNetConfig config = *ConfigurePspNet(size, 150);
    config.auxiliary = true;
    PspNet network(config, kKey);
    EXPECT_EQ(nn::ParameterCount(network), total) << size;
  }
}

// With one channel, which is positive everywhere, a pixel whose logit is the classifier's bias was dropped.
TEST(PspNet, DropsWholeChannelsOrElements) {
  PspNetConfig config = SmallPspNet();
  config.head.dropout = 0.5;
  config.head.width = 1;
  const Array images = Images(4, 40, 33);
  for (const bool channels : {true, false}) {
    config.head.drop_channels = channels;
    PspNet network(config, kKey);
    network.classifier.bottleneck.bn.bias.Set(Array::Full({1}, autograd::kFloat32, 20));
    const float bias = network.classifier.classifier.bias.value().ToVector<float>()[0];
    int all = 0, none = 0, some = 0;
    for (uint64_t key = 0; key < 8; ++key) {
      const Variable logits = network(images, nn::Context::Training(RandomKey(key)));
      const std::vector<float> values = logits.array().ToVector<float>();
      const int64_t pixels = logits.shape()[1] * logits.shape()[2], classes = logits.shape()[3];
      for (int64_t image = 0; image < 4; ++image) {
        int64_t dropped = 0;
        for (int64_t i = 0; i < pixels; ++i) dropped += values[(image * pixels + i) * classes] == bias;
        ++(dropped == 0 ? none : dropped == pixels ? all : some);
      }
    }
    // 32 draws of one channel; 32 of 25 elements.
    EXPECT_EQ(some, channels ? 0 : 32);
    EXPECT_EQ(all > 0 && none > 0, channels);
  }
}

TEST(PspNet, LearnsABatchByHeartWithItsAuxiliaryHead) {
  const Batch batch = BrightHalves(4, 48, kKey);
  for (const uint64_t seed : testing::kFirstWeights) {
    PspNet network(SmallPspNet(), RandomKey(seed));
    const std::vector<double> losses = testing::LearnByHeart(network, 160, 0.005, [&](const nn::Context& context) {
      const Features features = network.Encode(batch.images, context);
      return SegmentationLoss(network.Decode(features, context), batch.labels) +
             0.4 * SegmentationLoss(network.Auxiliary(features, context).at(0), batch.labels);
    });
    EXPECT_LT(losses.back(), 1.4 * testing::LossOfTheBestGuess(batch.labels) / 3) << "weights " << seed;
  }
}

// From our names to those of the packages, by hand from the table of what each calls its parts.
std::string MmsegPspNetName(const std::string& name) {
  static const nn::Rename rename = nn::RenamePrefixes({{"classifier.0.", "decode_head.bottleneck.conv."},
                                                       {"classifier.1.", "decode_head.bottleneck.bn."},
                                                       {"classifier.4.", "decode_head.conv_seg."},
                                                       {"classifier.", "decode_head."},
                                                       {"aux_classifier.0.", "auxiliary_head.convs.0.conv."},
                                                       {"aux_classifier.1.", "auxiliary_head.convs.0.bn."},
                                                       {"aux_classifier.4.", "auxiliary_head.conv_seg."}});
  return rename(name);
}

std::string SssegmentationPspNetName(const std::string& name) {
  static const nn::Rename rename = nn::RenamePrefixes({{"backbone.", "backbone_net."},
                                                       {"classifier.0.", "ppm_net.bottleneck.0."},
                                                       {"classifier.1.", "ppm_net.bottleneck.1."},
                                                       {"classifier.4.", "decoder.1."},
                                                       {"classifier.psp_modules.", "ppm_net.branches."},
                                                       {"aux_classifier.", "auxiliary_decoder."}});
  return absl::StrReplaceAll(rename(name), {{".1.conv.", ".1."}, {".1.bn.", ".2."}});
}

std::string SemsegPspNetName(const std::string& name) {
  static const nn::Rename rename = nn::RenamePrefixes({{"backbone.stem.", "module.layer0."},
                                                       {"backbone.", "module."},
                                                       {"classifier.psp_modules.", "module.ppm.features."},
                                                       {"classifier.", "module.cls."},
                                                       {"aux_classifier.", "module.aux."}});
  return absl::StrReplaceAll(rename(name), {{".1.conv.", ".1."}, {".1.bn.", ".2."}});
}

PspNetConfig SmallSemsegPspNet() {
  PspNetConfig config = SmallPspNet();
  config.encoder.stem = ResNetStem::kDeep;
  config.encoder.contract_dilation = false;
  config.head.align_corners = true;
  return config;
}

TEST(PspNet, LoadsFilesOfThreePackages) {
  struct Package {
    const char* name;
    PspNetConfig config;
    std::string (*rename)(const std::string&);
  };
  for (const auto& [name, config, rename] : {Package{"mmseg", SmallPspNet(), MmsegPspNetName},
                                             Package{"sssegmentation", SmallPspNet(), SssegmentationPspNetName},
                                             Package{"semseg", SmallSemsegPspNet(), SemsegPspNetName}}) {
    SCOPED_TRACE(name);
    PspNet network(config, kKey);
    const Array images = Images(2, 41, 33);
    const nn::Context training = nn::Context::Training(kKey);  // moves the running statistics
    const Features moved = network.Encode(images, training);
    network.Decode(moved, training);
    network.Auxiliary(moved, training);
    const std::string ours = absl::StrCat(::testing::TempDir(), "/ours_", name, ".safetensors"),
                      theirs = absl::StrCat(::testing::TempDir(), "/theirs_", name, ".safetensors");
    ASSERT_TRUE(nn::SaveWeights(ours, network).ok());
    WriteRenamed(ours, theirs, rename);
    for (const std::string& path : {ours, theirs}) {
      PspNet other(config, RandomKey(9));
      const absl::StatusOr<nn::LoadReport> report = LoadPspNet(path, other);
      ASSERT_TRUE(report.ok()) << report.status();
      const Features features = other.Encode(images, {}), expected = network.Encode(images, {});
      EXPECT_EQ(other.Decode(features, {}).array().ToVector<float>(),
                network.Decode(expected, {}).array().ToVector<float>());
      EXPECT_EQ(other.Auxiliary(features, {}).at(0).array().ToVector<float>(),
                network.Auxiliary(expected, {}).at(0).array().ToVector<float>());

      PspNetConfig without = config;
      without.auxiliary = false;
      PspNet alone(without, RandomKey(9));
      EXPECT_TRUE(LoadPspNet(path, alone).ok());
      ResNet encoder(config.encoder, RandomKey(9));
      EXPECT_TRUE(LoadResNet(theirs, encoder).ok());
    }
  }
}

std::string LoadRefusal(const std::string& path, const PspNetConfig& config) {
  std::string message;
  for (const bool strict : {true, false}) {
    PspNet network(config, RandomKey(9));
    const absl::Status status = LoadPspNet(path, network, strict).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    message = std::string(status.message());
    // Untouched.
    EXPECT_EQ(network.classifier.bottleneck.conv.weight.value().ToVector<float>(),
              PspNet(config, RandomKey(9)).classifier.bottleneck.conv.weight.value().ToVector<float>());
  }
  return message;
}

// Networks of the same shapes that resize or dilate in another way.
TEST(PspNet, FilesOfOtherNetworksOfTheSameShapesAreRefused) {
  const PspNetConfig semseg = SmallSemsegPspNet();
  const std::string ours = ::testing::TempDir() + "/ours.safetensors", theirs = ::testing::TempDir() + "/w.safetensors";
  PspNet network(semseg, kKey);
  ASSERT_TRUE(nn::SaveWeights(ours, network).ok());
  WriteRenamed(ours, theirs, SemsegPspNetName);
  PspNetConfig config = semseg;
  config.encoder.contract_dilation = true;
  EXPECT_EQ(LoadRefusal(theirs, config),
            absl::StrCat("'", theirs,
                         "' is of semseg's PSPNet, which dilates the first block of a stage as the blocks behind it, "
                         "unlike this network; a size of ConfigurePspNet with '_semseg' is like it"));
  config.head.align_corners = false;
  EXPECT_TRUE(absl::StrContains(LoadRefusal(theirs, config),
                                "resizes its bins with aligned corners and dilates the first block"));
  config = semseg;
  config.encoder.output_stride = 16;
  EXPECT_TRUE(absl::StrContains(LoadRefusal(theirs, config), "which has output stride 8, unlike"));

  for (const auto rename : {MmsegPspNetName, SssegmentationPspNetName}) {
    WriteRenamed(ours, theirs, rename);
    EXPECT_EQ(LoadRefusal(theirs, semseg),
              absl::StrCat("'", theirs,
                           "' is of mmseg's or SSSegmentation's PSPNet, which resizes its bins without aligned corners "
                           "and does not dilate the first block of a stage as the blocks behind it, unlike this "
                           "network; a size of ConfigurePspNet without '_semseg' is like it"));
  }

  // One line for a file that is none.
  PspNet untouched(semseg, kKey);
  EXPECT_EQ(LoadPspNet(::testing::TempDir() + "/absent.safetensors", untouched).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace seg
