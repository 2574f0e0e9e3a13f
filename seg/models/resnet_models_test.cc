// DeepLabV3, FCN, PSPNet and SemanticFPN on ResNets.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "autograd/ops/elementwise.h"
#include "autograd/testing/op_contract.h"
#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/deeplabv3.h"
#include "seg/models/fcn.h"
#include "seg/models/pspnet.h"
#include "seg/models/semantic_fpn.h"
#include "seg/models/testing.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Shape;
using autograd::Tape;

const RandomKey kKey(51);

// Of a head on so many channels.
template <typename Head, typename Config>
int64_t HeadParameters(int64_t inputs, Config config, int64_t classes = 21) {
  config.initializers = {nn::Zeros(), nn::Zeros(), nn::Zeros()};
  Head head(inputs, classes, config, kKey);
  return nn::ParameterCount(head);
}

// The packages' totals without the encoder's (23,508,032; v1c 23,527,264).
TEST(DeepLabV3, HeadsHaveThePublicTotals) {
  EXPECT_EQ(HeadParameters<DeepLabHead>(2048, DeepLabHeadConfig()) +
                HeadParameters<FcnHead>(1024, FcnHeadConfig{.width = 256}),
            42004074 - 23508032);
  EXPECT_EQ(HeadParameters<DeepLabHead>(2048, DeepLabHeadConfig::Mmseg()) +
                HeadParameters<FcnHead>(1024, FcnHeadConfig::MmsegAuxiliary()),
            68114570 - 23527264);
}

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

Array Images(int64_t count, int64_t height, int64_t width) {
  return autograd::testing::RandomArray({count, height, width, 3}, autograd::kFloat32, kKey, -2, 2);
}

DeepLabV3Config SmallDeepLab() {
  DeepLabV3Config config = *ConfigureDeepLabV3("micro", 3);
  config.encoder.widths = {2, 3, 4, 4};
  config.encoder.stem_width = 4;
  config.head.aspp.width = 8;
  config.auxiliary = true;
  config.auxiliary_head.width = 4;
  return config;
}

FcnConfig SmallFcn() {
  FcnConfig config = *ConfigureFcn("micro", 3);
  config.encoder.widths = {2, 3, 4, 4};
  config.encoder.stem_width = 4;
  config.head = FcnHeadConfig::Mmseg();
  config.head.width = 8;
  config.auxiliary = true;
  config.auxiliary_head.width = 4;
  return config;
}

PspNetConfig SmallPspNet() {
  PspNetConfig config = *ConfigurePspNet("micro", 3);
  config.encoder.widths = {2, 3, 4, 4};
  config.encoder.stem_width = 4;
  config.head.width = 8;
  config.auxiliary = true;
  config.auxiliary_head.width = 4;
  return config;
}

ResNetSemanticFpnConfig SmallSemanticFpn() {
  ResNetSemanticFpnConfig config = *ConfigureResNetSemanticFpn("micro", 3);
  config.encoder.widths = {2, 3, 4, 4};
  config.encoder.stem_width = 4;
  config.decoder.width = 8;
  config.decoder.pyramid_width = 8;
  return config;
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

// Two classes by the side of the image.
struct Batch {
  Array images, labels;
};

Batch MakeBatch(int64_t count, int64_t size) {
  std::vector<float> pixels(count * size * size * 3);
  std::vector<uint8_t> labels(count * size * size);
  for (int64_t i = 0; i < count * size * size; ++i) {
    const bool bright = (i % size < size / 2) == (i / (size * size) % 2 == 0);
    labels[i] = bright ? 1 : 0;
    for (int c = 0; c < 3; ++c)
      pixels[i * 3 + c] = (bright ? 1.0f : -1.0f) + 0.3f * autograd::UniformFloat(autograd::Philox(kKey, i * 3 + c).x);
  }
  return {Array::From({count, size, size, 3}, pixels), Array::From({count, size, size}, labels)};
}

// Some steps on one batch: the loss, here of both heads, falls to a third of what labels cost that are guessed.
TEST(DeepLabV3, LearnsABatchByHeartWithItsAuxiliaryHead) {
  const Batch batch = MakeBatch(4, 48);
  for (const uint64_t seed : testing::kFirstWeights) {
    DeepLabV3 network(SmallDeepLab(), RandomKey(seed));
    const std::vector<double> losses = testing::LearnByHeart(network, 160, 0.005, [&](const nn::Context& context) {
      const Features features = network.Encode(batch.images, context);
      return SegmentationLoss(network.Decode(features, context), batch.labels) +
             0.4 * SegmentationLoss(network.Auxiliary(features, context).at(0), batch.labels);
    });
    EXPECT_LT(losses.back(), 1.4 * testing::LossOfTheBestGuess(batch.labels) / 3) << "weights " << seed;
  }
}

TEST(PspNet, LearnsABatchByHeartWithItsAuxiliaryHead) {
  const Batch batch = MakeBatch(4, 48);
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

TEST(ResNetSemanticFpn, LearnsABatchByHeart) {
  const Batch batch = MakeBatch(2, 64);
  for (const uint64_t seed : testing::kFirstWeights) {
    ResNetSemanticFpn network(SmallSemanticFpn(), RandomKey(seed));
    const std::vector<double> losses = testing::LearnByHeart(network, 120, 0.005, [&](const nn::Context& context) {
      return SegmentationLoss(network(batch.images, context), batch.labels);
    });
    EXPECT_LT(losses.back(), testing::LossOfTheBestGuess(batch.labels) / 3) << "weights " << seed;
  }
}

TEST(ResNetSegmentor, BFloat16StaysCloseToFloat32) {
  const Batch batch = MakeBatch(4, 48);
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

// A file at `to` with the tensors of the one at `from` under other names.
void WriteRenamed(const std::string& from, const std::string& to, const nn::Rename& rename) {
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(from);
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<nn::TensorSource> tensors;
  for (const nn::TensorInfo& tensor : file->tensors())
    tensors.push_back(
        {rename(tensor.name), tensor.dtype, tensor.shape, [&file, tensor] { return *file->Read(tensor); }});
  ASSERT_TRUE(nn::WriteSafetensors(to, tensors).ok());
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

TEST(DeepLabV3, WeightsComeBackAndColdStartsLeaveTheClassifier) {
  DeepLabV3Config config = SmallDeepLab();
  DeepLabV3 network(config, kKey), other(config, RandomKey(9));
  const Array images = Images(2, 40, 33);
  network(images, nn::Context::Training(kKey));
  const std::string path = ::testing::TempDir() + "/deeplab.safetensors";
  ASSERT_TRUE(nn::SaveWeights(path, network).ok());
  ASSERT_TRUE(LoadDeepLabV3(path, other).ok());
  EXPECT_EQ(other(images, {}).array().ToVector<float>(), network(images, {}).array().ToVector<float>());

  config.classes = 7;
  DeepLabV3 cold(config, RandomKey(9));
  EXPECT_FALSE(LoadDeepLabV3(path, cold).ok());
  const absl::StatusOr<nn::LoadReport> report = LoadDeepLabV3(path, cold, /*strict=*/false);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->mismatched.size(), 4u);
  for (const std::string& name : report->mismatched) EXPECT_TRUE(absl::StrContains(name, "classifier.4.")) << name;
}

}  // namespace
}  // namespace seg
