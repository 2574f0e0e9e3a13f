// What DeepLabV3, FCN, PSPNet and SemanticFPN on ResNets have in common.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/deeplabv3.h"
#include "seg/models/fcn.h"
#include "seg/models/pspnet.h"
#include "seg/models/resnet_testing.h"
#include "seg/models/semantic_fpn.h"
#include "seg/models/testing.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Shape;
using autograd::Tape;
using testing::Batch;
using testing::BrightHalves;
using testing::Images;
using testing::kKey;
using testing::SmallDeepLab;
using testing::SmallFcn;
using testing::SmallPspNet;
using testing::SmallSemanticFpn;

// Names of mmseg and SSSegmentation beside the head's own.
TEST(ResNetSegmentor, NamesOfOtherSourcesBecomeTorchvisions) {
  const std::pair<const char*, const char*> deeplab[] = {
      {"backbone.conv1.weight", "backbone.conv1.weight"},
      {"module.classifier.0.convs.4.1.weight", "classifier.0.convs.4.1.weight"},
      {"aux_classifier.4.bias", "aux_classifier.4.bias"},
      {"decode_head.image_pool.1.conv.weight", "classifier.0.convs.4.1.weight"},
      {"decode_head.image_pool.1.bn.running_var", "classifier.0.convs.4.2.running_var"},
      {"decode_head.aspp_modules.0.conv.weight", "classifier.0.convs.0.0.weight"},
      {"decode_head.aspp_modules.3.bn.bias", "classifier.0.convs.3.1.bias"},
      {"decode_head.bottleneck.conv.weight", "classifier.0.project.0.weight"},
      {"decode_head.bottleneck.bn.weight", "classifier.0.project.1.weight"},
      {"decode_head.conv_seg.bias", "classifier.4.bias"},
      {"auxiliary_head.convs.0.conv.weight", "aux_classifier.0.weight"},
      {"auxiliary_head.convs.0.bn.weight", "aux_classifier.1.weight"},
      {"auxiliary_head.conv_seg.weight", "aux_classifier.4.weight"},
      {"backbone_net.layer1.0.bn1.bias", "backbone.layer1.0.bn1.bias"},
      {"aspp_net.parallel_branches.2.1.bias", "classifier.0.convs.2.1.bias"},
      {"aspp_net.global_branch.1.weight", "classifier.0.convs.4.1.weight"},
      {"aspp_net.bottleneck.1.running_mean", "classifier.0.project.1.running_mean"},
      {"decoder.1.weight", "classifier.4.weight"},
      {"auxiliary_decoder.4.bias", "aux_classifier.4.bias"},
      {"auxiliary_decoder.1.bias", "aux_classifier.1.bias"},
  };
  const nn::Rename deeplab_rename =
      ResNetSegmentorRename([](const std::string& name) { return DeepLabHeadName(name, 3); }, 1);
  for (const auto& [from, to] : deeplab) EXPECT_EQ(deeplab_rename(from), to) << from;

  const std::pair<const char*, const char*> pspnet[] = {
      {"decode_head.psp_modules.0.1.conv.weight", "classifier.psp_modules.0.1.conv.weight"},
      {"decode_head.psp_modules.3.1.bn.running_var", "classifier.psp_modules.3.1.bn.running_var"},
      {"decode_head.bottleneck.conv.weight", "classifier.0.weight"},
      {"decode_head.bottleneck.bn.bias", "classifier.1.bias"},
      {"decode_head.conv_seg.bias", "classifier.4.bias"},
      {"auxiliary_head.convs.0.bn.weight", "aux_classifier.1.weight"},
      {"ppm_net.branches.2.1.weight", "classifier.psp_modules.2.1.conv.weight"},
      {"ppm_net.branches.0.2.running_mean", "classifier.psp_modules.0.1.bn.running_mean"},
      {"ppm_net.bottleneck.0.weight", "classifier.0.weight"},
      {"ppm_net.bottleneck.1.weight", "classifier.1.weight"},
      {"decoder.1.weight", "classifier.4.weight"},
      {"auxiliary_decoder.4.bias", "aux_classifier.4.bias"},
      {"classifier.psp_modules.0.1.conv.weight", "classifier.psp_modules.0.1.conv.weight"},
  };
  const nn::Rename pspnet_rename =
      ResNetSegmentorRename([](const std::string& name) { return PyramidPoolingName(name); }, 1);
  for (const auto& [from, to] : pspnet) EXPECT_EQ(pspnet_rename(from), to) << from;

  const std::pair<const char*, const char*> fcn[] = {
      {"decode_head.convs.0.conv.weight", "classifier.0.weight"},
      {"decode_head.convs.0.bn.weight", "classifier.1.weight"},
      {"decode_head.convs.1.bn.weight", "classifier.convs.1.bn.weight"},
      {"decode_head.conv_cat.conv.weight", "classifier.conv_cat.conv.weight"},
      {"decode_head.conv_seg.weight", "classifier.4.weight"},
      {"decoder.1.bias", "classifier.1.bias"},
      {"decoder.3.weight", "classifier.convs.1.conv.weight"},
      {"decoder.4.running_var", "classifier.convs.1.bn.running_var"},
      {"decoder.7.bias", "classifier.4.bias"},
      {"aux_classifier.4.bias", ""},
      {"auxiliary_head.conv_seg.bias", ""},
  };
  const nn::Rename fcn_rename = ResNetSegmentorRename([](const std::string& name) { return FcnHeadName(name, 2); }, 0);
  for (const auto& [from, to] : fcn) EXPECT_EQ(fcn_rename(from), to) << from;
}

TEST(Configurations, FollowTheSize) {
  EXPECT_EQ(ConfigureDeepLabV3("resnet101", 19)->head.aspp.width, 256);
  EXPECT_EQ(ConfigureDeepLabV3("resnet101_v1c", 19)->head.aspp.projection_kernel, 3);
  EXPECT_EQ(ConfigureDeepLabV3("resnet101_plop", 19)->encoder.output_stride, 16);
  EXPECT_EQ(ConfigureDeepLabV3("resnet50_plop", 19)->head.aspp.rates, (std::vector<int64_t>{6, 12, 18}));
  EXPECT_FALSE(ConfigureDeepLabV3("resnet101_plop", 19)->head.refine);
  EXPECT_EQ(ConfigureDeepLabV3("micro_plop", 19).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(ConfigureFcn("resnet50_v1c", 19)->head.concatenate_input);
  EXPECT_EQ(ConfigureFcn("resnet50", 19)->encoder.output_stride, 8);
  EXPECT_EQ(ConfigureFcn("resnet101_sss", 19)->encoder.output_stride, 8);
  EXPECT_EQ(ConfigureFcn("resnet101_sss", 19)->encoder.depths[2], 23);
  EXPECT_TRUE(ConfigureFcn("resnet50_sss", 19)->head.drop_channels);
  EXPECT_FALSE(ConfigureFcn("resnet50_sss", 19)->head.concatenate_input);
  for (const char* size : {"micro_sss", "resnet50_v1c_sss", "resnet152_sss", "_sss"}) {
    EXPECT_EQ(ConfigureFcn(size, 19).status().code(), absl::StatusCode::kNotFound) << size;
    EXPECT_TRUE(absl::StrContains(ConfigureFcn(size, 19).status().message(), "resnet101_sss")) << size;
  }
  EXPECT_EQ(ConfigurePspNet("resnet101_v1c", 19)->encoder.output_stride, 8);
  EXPECT_FALSE(ConfigurePspNet("resnet50", 19)->head.align_corners);
  EXPECT_TRUE(ConfigurePspNet("resnet50_semseg", 19)->head.align_corners);
  EXPECT_FALSE(ConfigurePspNet("resnet50_semseg", 19)->encoder.contract_dilation);
  EXPECT_EQ(ConfigurePspNet("resnet50_semseg", 19)->encoder.stem_width, 128);
  EXPECT_EQ(ConfigureResNetSemanticFpn("resnet50", 19)->encoder.output_stride, 32);
  EXPECT_FALSE(ConfigureResNetSemanticFpn("resnet50", 19)->decoder.attention);
  EXPECT_FALSE(ResNetSemanticFpnConfig().decoder.attention);
  EXPECT_EQ(ConfigureDeepLabV3("nano", 19).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ConfigureFcn("nano", 19).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ConfigurePspNet("nano", 19).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ConfigureResNetSemanticFpn("nano", 19).status().code(), absl::StatusCode::kNotFound);
}

TEST(ResNetSegmentor, LogitsAreAtTheOutputStride) {
  const Array images = Images(1, 65, 90);
  DeepLabV3 deeplab(SmallDeepLab(), kKey);
  EXPECT_EQ(deeplab(images, {}).shape(), (Shape{1, 9, 12, 3}));
  EXPECT_EQ(deeplab.Auxiliary(deeplab.Encode(images, {}), {}).at(0).shape(), (Shape{1, 9, 12, 3}));
  FcnConfig config = SmallFcn();
  config.encoder.output_stride = 32;
  config.auxiliary = false;
  Fcn fcn(config, kKey);
  EXPECT_EQ(fcn(images, {}).shape(), (Shape{1, 3, 3, 3}));
  EXPECT_TRUE(fcn.Auxiliary(fcn.Encode(images, {}), {}).empty());
  PspNet pspnet(SmallPspNet(), kKey);
  EXPECT_EQ(pspnet(images, {}).shape(), (Shape{1, 9, 12, 3}));
  EXPECT_EQ(pspnet.Auxiliary(pspnet.Encode(images, {}), {}).at(0).shape(), (Shape{1, 9, 12, 3}));
  ResNetSemanticFpn fpn(SmallSemanticFpn(), kKey);
  EXPECT_EQ(fpn(images, {}).shape(), (Shape{1, 17, 23, 3}));
}

template <typename Network>
void ExpectLastLayerHasItsOwnRate(Network& network, const nn::Linear& last_layer) {
  int found = 0;
  for (const nn::OptimizedParameter& optimized :
       nn::GroupParameters(network, {.rate_factors = {{network.last_layer(), 40}}})) {
    const bool last = optimized.parameter == &last_layer.weight || optimized.parameter == &last_layer.bias;
    EXPECT_EQ(optimized.rate_factor, last ? 40 : 1) << optimized.name;
    found += last;
  }
  EXPECT_EQ(found, 2);
}

TEST(LastLayer, HasItsOwnLearningRate) {
  DeepLabV3 deeplab(SmallDeepLab(), kKey);
  ExpectLastLayerHasItsOwnRate(deeplab, deeplab.classifier.classifier);
  Fcn fcn(SmallFcn(), kKey);
  ExpectLastLayerHasItsOwnRate(fcn, fcn.classifier.classifier);
  PspNet pspnet(SmallPspNet(), kKey);
  ExpectLastLayerHasItsOwnRate(pspnet, pspnet.classifier.classifier);
  ResNetSemanticFpn fpn(SmallSemanticFpn(), kKey);
  ExpectLastLayerHasItsOwnRate(fpn, fpn.decoder.classifier);
}

TEST(ResNetSegmentor, DropoutDependsOnTheKey) {
  DeepLabV3 network(SmallDeepLab(), kKey);
  const Array images = Images(3, 40, 33);
  const auto logits = [&](uint64_t key) {
    return network(images, nn::Context::Training(RandomKey(key))).array().ToVector<float>();
  };
  EXPECT_EQ(logits(1), logits(1));
  EXPECT_NE(logits(1), logits(2));
}

TEST(ResNetSemanticFpn, LearnsABatchByHeart) {
  const Batch batch = BrightHalves(2, 64, kKey);
  for (const uint64_t seed : testing::kFirstWeights) {
    ResNetSemanticFpn network(SmallSemanticFpn(), RandomKey(seed));
    const std::vector<double> losses = testing::LearnByHeart(network, 120, 0.005, [&](const nn::Context& context) {
      return SegmentationLoss(network(batch.images, context), batch.labels);
    });
    EXPECT_LT(losses.back(), testing::LossOfTheBestGuess(batch.labels) / 3) << "weights " << seed;
  }
}

TEST(ResNetSegmentor, BFloat16StaysCloseToFloat32) {
  const Batch batch = BrightHalves(4, 48, kKey);
  FcnConfig config = SmallFcn();
  Fcn full(config, kKey);
  config.compute = autograd::kBFloat16;
  Fcn half(config, kKey);
  Tape tape;
  const Features features = half.Encode(batch.images, nn::Context::Training(kKey));
  const Variable logits = half.Decode(features, nn::Context::Training(kKey));
  EXPECT_EQ(features[3].dtype(), autograd::kBFloat16);
  EXPECT_EQ(logits.dtype(), autograd::kFloat32);
  EXPECT_EQ(half.Auxiliary(features, nn::Context::Training(kKey)).at(0).dtype(), autograd::kFloat32);
  const Variable expected = full(batch.images, nn::Context::Training(kKey));
  testing::RoundWeights(full);
  const double moved = testing::RelativeDistance(full(batch.images, nn::Context::Training(kKey)), expected),
               apart = testing::RelativeDistance(logits, expected);
  EXPECT_GT(apart, 0);
  EXPECT_LT(apart, testing::kRoundingsOfALayer * moved);
  tape.Backward(SegmentationLoss(logits, batch.labels));
  EXPECT_EQ(half.backbone.stem_convolutions[0].weight.gradient().dtype(), autograd::kFloat32);
}

}  // namespace
}  // namespace seg
