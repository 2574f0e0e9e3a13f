#include "seg/models/fcn.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "nn/nn.h"
#include "seg/models/resnet_testing.h"
#include "seg/models/testing.h"

namespace seg {
namespace {

using autograd::Array;
using testing::HeadParameters;
using testing::Images;
using testing::kKey;
using testing::SmallFcn;
using testing::WriteRenamed;

TEST(Fcn, HeadsHaveThePublicTotals) {
  const int64_t auxiliary = HeadParameters<FcnHead>(1024, FcnHeadConfig{.width = 256});
  EXPECT_EQ(HeadParameters<FcnHead>(2048, FcnHeadConfig()) + auxiliary, 35322218 - 23508032);
  EXPECT_EQ(HeadParameters<FcnHead>(2048, FcnHeadConfig::Mmseg()) + auxiliary, 49499274 - 23527264);
}

// Of SSSegmentation's and mmseg's FCN on a ResNet-50 v1c.
TEST(Fcn, WholeNetworksHaveThePublicTotals) {
  const std::pair<const char*, std::array<int64_t, 2>> totals[] = {{"resnet50_sss", {40066954, 40199308}},
                                                                   {"resnet50_v1c", {49499274, 49598604}}};
  for (const auto& [size, of_classes] : totals) {
    FcnConfig config = *ConfigureFcn(size, 21);
    config.auxiliary = true;
    Fcn network(config, kKey);
    EXPECT_EQ(nn::ParameterCount(network), of_classes[0]) << size;
    EXPECT_EQ(nn::ParameterCount(network.backbone) + HeadParameters<FcnHead>(2048, config.head, 150) +
                  HeadParameters<FcnHead>(1024, config.auxiliary_head, 150),
              of_classes[1])
        << size;
  }
}

// A file in mmseg's names, made from ours.
TEST(Fcn, LoadsFilesOfMmseg) {
  Fcn network(SmallFcn(), kKey);
  const Array images = Images(2, 40, 33);
  network(images, nn::Context::Training(kKey));  // moves the running statistics
  const std::string ours = ::testing::TempDir() + "/ours.safetensors",
                    theirs = ::testing::TempDir() + "/mmseg.safetensors";
  ASSERT_TRUE(nn::SaveWeights(ours, network).ok());
  const nn::Rename mmseg = nn::RenamePrefixes({{"classifier.0.", "decode_head.convs.0.conv."},
                                               {"classifier.1.", "decode_head.convs.0.bn."},
                                               {"classifier.4.", "decode_head.conv_seg."},
                                               {"classifier.", "decode_head."},
                                               {"aux_classifier.0.", "auxiliary_head.convs.0.conv."},
                                               {"aux_classifier.1.", "auxiliary_head.convs.0.bn."},
                                               {"aux_classifier.4.", "auxiliary_head.conv_seg."}});
  WriteRenamed(ours, theirs, mmseg);

  for (const std::string& path : {ours, theirs}) {
    Fcn other(SmallFcn(), RandomKey(9));
    const absl::StatusOr<nn::LoadReport> report = LoadFcn(path, other);
    ASSERT_TRUE(report.ok()) << report.status();
    const Features features = other.Encode(images, {}), expected = network.Encode(images, {});
    EXPECT_EQ(other.Decode(features, {}).array().ToVector<float>(),
              network.Decode(expected, {}).array().ToVector<float>());
    EXPECT_EQ(other.Auxiliary(features, {}).at(0).array().ToVector<float>(),
              network.Auxiliary(expected, {}).at(0).array().ToVector<float>());

    FcnConfig config = SmallFcn();
    config.auxiliary = false;
    Fcn alone(config, RandomKey(9));
    EXPECT_TRUE(LoadFcn(path, alone).ok());
  }
}

// A file in SSSegmentation's names, made from ours: the whole network, and its encoder alone.
TEST(Fcn, LoadsFilesOfSssegmentation) {
  FcnConfig config = SmallFcn();
  config.encoder.stem = ResNetStem::kDeep;
  config.head = FcnHeadConfig::Sssegmentation();
  config.auxiliary_head = FcnHeadConfig::SssegmentationAuxiliary();
  config.head.width = config.auxiliary_head.width = 8;
  Fcn network(config, kKey);
  const Array images = Images(2, 40, 33);
  const nn::Context training = nn::Context::Training(kKey);  // moves the running statistics
  const Features moved = network.Encode(images, training);
  network.Decode(moved, training);
  network.Auxiliary(moved, training);
  const std::string ours = ::testing::TempDir() + "/ours.safetensors",
                    theirs = ::testing::TempDir() + "/sssegmentation.safetensors";
  ASSERT_TRUE(nn::SaveWeights(ours, network).ok());
  WriteRenamed(ours, theirs,
               nn::RenamePrefixes({{"backbone.", "backbone_net."},
                                   {"classifier.0.", "decoder.0."},
                                   {"classifier.1.", "decoder.1."},
                                   {"classifier.convs.1.conv.", "decoder.3."},
                                   {"classifier.convs.1.bn.", "decoder.4."},
                                   {"classifier.4.", "decoder.7."},
                                   {"aux_classifier.", "auxiliary_decoder."}}));
  Fcn other(config, RandomKey(9));
  const absl::StatusOr<nn::LoadReport> report = LoadFcn(theirs, other);
  ASSERT_TRUE(report.ok()) << report.status();
  const Features features = other.Encode(images, {}), expected = network.Encode(images, {});
  EXPECT_EQ(other.Decode(features, {}).array().ToVector<float>(),
            network.Decode(expected, {}).array().ToVector<float>());
  EXPECT_EQ(other.Auxiliary(features, {}).at(0).array().ToVector<float>(),
            network.Auxiliary(expected, {}).at(0).array().ToVector<float>());

  config.auxiliary = false;
  Fcn alone(config, RandomKey(9));
  EXPECT_TRUE(LoadFcn(theirs, alone).ok());
  EXPECT_TRUE(alone.LoadEncoder(theirs).ok());
}

}  // namespace
}  // namespace seg
