#include "seg/encoders/resnet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"
#include "nn/module.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Shape;
using autograd::Tape;

const RandomKey kKey(41);

size_t Keys(ResNet& encoder) { return nn::NamedParameters(encoder).size() + nn::NamedBuffers(encoder).size(); }

// Totals of torchvision's and mmseg's models without their classifiers; keys with num_batches_tracked.
TEST(ResNet, HasThePublicTotals) {
  ResNet encoder(*ConfigureResNet("resnet50"), kKey);
  EXPECT_EQ(Keys(encoder), 318u);
  EXPECT_EQ(nn::ParameterCount(encoder), 23508032);
  EXPECT_EQ(ConfigureResNet("resnet101")->depths, (std::array<int64_t, 4>{3, 4, 23, 3}));
  EXPECT_EQ(ConfigureResNet("resnet101_semseg")->depths, (std::array<int64_t, 4>{3, 4, 23, 3}));

  // mmseg's ResNet-50 v1c has 330 keys and 23,527,264 parameters: only the stem differs.
  ResNetConfig config{.depths = {1, 1, 1, 1}, .widths = {2, 2, 2, 2}};
  ResNet single(config, kKey);
  config.stem = ConfigureResNet("resnet50_v1c")->stem;
  ResNet deep(config, kKey);
  EXPECT_EQ(Keys(deep) - Keys(single), 330u - 318u);
  EXPECT_EQ(nn::ParameterCount(deep) - nn::ParameterCount(single), 23527264 - 23508032);
}

TEST(ResNet, UnknownSizesAreNotFound) {
  for (const char* size : {"resnet34", "resnet152_v1c", "resnet152_semseg", "micro_v1c", "_semseg", ""}) {
    const absl::Status status = ConfigureResNet(size).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << size;
    EXPECT_TRUE(absl::StrContains(status.message(), "resnet101_v1c"));
    EXPECT_TRUE(absl::StrContains(status.message(), "resnet101_semseg"));
  }
}

// Sizes round up, as every convolution and the pooling pad.
TEST(ResNet, TapsAreAtTheirStrides) {
  ResNetConfig config = *ConfigureResNet("micro");
  const Array images = Array::Zeros({2, 65, 98, 3}, autograd::kFloat32);
  const std::pair<int64_t, std::vector<Shape>> cases[] = {
      {32, {{2, 17, 25, 32}, {2, 9, 13, 64}, {2, 5, 7, 128}, {2, 3, 4, 256}}},
      {16, {{2, 17, 25, 32}, {2, 9, 13, 64}, {2, 5, 7, 128}, {2, 5, 7, 256}}},
      {8, {{2, 17, 25, 32}, {2, 9, 13, 64}, {2, 9, 13, 128}, {2, 9, 13, 256}}},
      {4, {{2, 17, 25, 32}, {2, 17, 25, 64}, {2, 17, 25, 128}, {2, 17, 25, 256}}}};
  for (const auto& [output_stride, shapes] : cases) {
    config.output_stride = output_stride;
    ResNet encoder(config, kKey);
    const auto taps = encoder(images, {});
    for (int s = 0; s < 4; ++s) EXPECT_EQ(taps[s].shape(), shapes[s]) << output_stride;
  }
  autograd::testing::ExpectError(
      [&] {
        config.output_stride = 2;
        ResNet encoder(config, kKey);
      },
      "output_stride is 2");
  autograd::testing::ExpectError(
      [&] {
        config.output_stride = 8;
        config.stages = 5;
        ResNet encoder(config, kKey);
      },
      "stages is 5 but must be 1 to 4");
}

std::vector<int64_t> Dilations(const ResNetConfig& config, int stage) {
  ResNet encoder(config, kKey);
  std::vector<int64_t> dilations;
  for (const nn::Bottleneck& block : encoder.stages[stage]) dilations.push_back(block.conv2.dilation);
  return dilations;
}

// The tables of torchvision and mmseg; with a grid, mmseg's multi_grid = (4, 8, 16). Not contracted, semseg's.
TEST(ResNet, StridesBecomeDilations) {
  using Row = std::vector<int64_t>;
  ResNetConfig config{.depths = {1, 2, 3, 3}, .widths = {2, 2, 2, 2}, .stem_width = 4, .output_stride = 8};
  EXPECT_EQ(Dilations(config, 1), (Row{1, 1}));
  EXPECT_EQ(Dilations(config, 2), (Row{1, 2, 2}));
  EXPECT_EQ(Dilations(config, 3), (Row{2, 4, 4}));
  config.output_stride = 4;
  EXPECT_EQ(Dilations(config, 1), (Row{1, 2}));
  EXPECT_EQ(Dilations(config, 2), (Row{2, 4, 4}));
  config.output_stride = 8;
  config.contract_dilation = false;
  EXPECT_EQ(Dilations(config, 1), (Row{1, 1}));
  EXPECT_EQ(Dilations(config, 2), (Row{2, 2, 2}));
  EXPECT_EQ(Dilations(config, 3), (Row{4, 4, 4}));
  config.contract_dilation = true;
  config.multi_grid = {1, 2, 4};
  EXPECT_EQ(Dilations(config, 2), (Row{1, 2, 2}));
  EXPECT_EQ(Dilations(config, 3), (Row{4, 8, 16}));
  config.output_stride = 16;
  EXPECT_EQ(Dilations(config, 2), (Row{1, 1, 1}));
  EXPECT_EQ(Dilations(config, 3), (Row{2, 4, 8}));
  config.multi_grid = {1, 2};
  autograd::testing::ExpectError([&] { Dilations(config, 0); }, "2 factors for 3 blocks");
}

TEST(ResNet, ZeroLastNormsMakeBlocksTheirShortcuts) {
  ResNetConfig config = *ConfigureResNet("micro");
  config.depths = {2, 1, 1, 1};
  config.zero_last_norm = true;
  ResNet encoder(config, kKey);
  const Array x = autograd::testing::RandomArray({1, 4, 5, 32}, autograd::kFloat32, kKey, 0, 1);
  EXPECT_EQ(encoder.stages[0][1](x, {}).array().ToVector<float>(), x.ToVector<float>());
}

struct Step {
  std::vector<Array> gradients, statistics;
};

// In float64.
Step StepOf(const ResNetConfig& config, const Array& images) {
  ResNet encoder(config, kKey);
  const auto widened = [](const Array& array) { return autograd::Cast(Variable(array), autograd::kFloat64).array(); };
  for (const nn::NamedParameter& named : nn::NamedParameters(encoder))
    named.parameter->Set(widened(named.parameter->value()));
  for (const nn::NamedBuffer& named : nn::NamedBuffers(encoder)) {
    if (named.array->dtype() == autograd::kFloat32) *named.array = widened(*named.array);
  }
  Tape tape;
  Variable loss;
  for (const Variable& tap : encoder(images, nn::Context::Training(kKey))) {
    const Variable part = autograd::Sum(autograd::Square(tap));
    loss = loss.defined() ? loss + part : part;
  }
  tape.Backward(loss);
  Step step;
  for (const nn::NamedParameter& named : nn::NamedParameters(encoder))
    step.gradients.push_back(named.parameter->gradient().Copy());
  for (const nn::NamedBuffer& named : nn::NamedBuffers(encoder)) {
    if (named.array->dtype() == autograd::kInt64) {
      EXPECT_EQ(named.array->Item(), 1) << named.name;
    } else {
      step.statistics.push_back(named.array->Copy());
    }
  }
  return step;
}

// Gradients up to the order in which those of a shortcut and of a tap are added: some unit roundoffs of each, of 2^-53,
// on the way back through ten layers, whose sums have up to 3·32·32 terms.
TEST(ResNet, CheckpointedBlocksGiveTheSameGradientsAndStatistics) {
  ResNetConfig config{.depths = {1, 2, 1, 1}, .widths = {2, 3, 2, 2}, .stem_width = 4, .output_stride = 16};
  const Array images = autograd::testing::RandomArray({3, 32, 32, 3}, autograd::kFloat64, kKey);
  const double rounding = 10 * autograd::testing::RoundingOfSum(autograd::kFloat64, 3 * 32 * 32);
  const Step plain = StepOf(config, images);
  config.checkpoint_blocks = true;
  const Step checkpointed = StepOf(config, images);
  for (size_t i = 0; i < plain.gradients.size(); ++i)
    EXPECT_TRUE(autograd::testing::AllClose(checkpointed.gradients[i], plain.gradients[i], rounding)) << i;
  for (size_t i = 0; i < plain.statistics.size(); ++i)
    EXPECT_EQ(checkpointed.statistics[i].ToVector<double>(), plain.statistics[i].ToVector<double>());
}

TEST(ResNet, NamesOfOtherSourcesBecomeTorchvisions) {
  const std::pair<const char*, const char*> cases[] = {
      {"conv1.weight", "conv1.weight"},
      {"fc.weight", ""},
      {"module.layer3.22.conv2.weight", "layer3.22.conv2.weight"},
      {"backbone.layer1.0.downsample.1.running_var", "layer1.0.downsample.1.running_var"},
      {"backbone_net.stem.4.bias", "stem.4.bias"},
      {"classifier.4.weight", ""},
      {"aux_classifier.0.weight", ""},
      {"decode_head.conv_seg.bias", ""},
      {"auxiliary_head.convs.0.conv.weight", ""},
      {"ppm_net.branches.0.1.weight", ""},
      {"layer0.3.weight", "stem.3.weight"},
      {"ppm.features.0.1.weight", ""},
      {"cls.4.bias", ""},
      {"aux.4.bias", ""},
  };
  for (const auto& [from, to] : cases) EXPECT_EQ(ResNetTorchvisionName(from), to) << from;
}

// A file of a whole network, for its backbone alone.
TEST(ResNet, LoadsTheBackboneOfASegmentationNetwork) {
  struct Network {
    ResNet backbone;
    nn::Conv2d classifier;
    void Fields(nn::FieldVisitor& visitor) {
      visitor.Field("backbone", backbone);
      visitor.Field("classifier.4", classifier);
    }
  };
  ResNetConfig config{.depths = {1, 1, 1, 2}, .widths = {2, 3, 2, 2}, .stem = ResNetStem::kDeep, .stem_width = 4};
  Network network{ResNet(config, kKey), nn::Conv2d(4, 4, 1, {}, kKey)};
  const Array images = autograd::testing::RandomArray({2, 33, 40, 3}, autograd::kFloat32, kKey);
  network.backbone(images, nn::Context::Training(kKey));  // moves the running statistics
  const std::string path = ::testing::TempDir() + "/network.safetensors";
  ASSERT_TRUE(nn::SaveWeights(path, network).ok());
  ResNet other(config, RandomKey(3));
  const absl::StatusOr<nn::LoadReport> report = LoadResNet(path, other);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->complete());
  EXPECT_EQ(other(images, {})[3].array().ToVector<float>(), network.backbone(images, {})[3].array().ToVector<float>());

  // An encoder of fewer stages takes those that it has.
  config.stages = 2;
  ResNet early(config, RandomKey(4));
  ASSERT_TRUE(LoadResNet(path, early).ok());
  const std::array<Variable, 4> taps = early(images, {});
  EXPECT_EQ(taps[1].array().ToVector<float>(), network.backbone(images, {})[1].array().ToVector<float>());
  EXPECT_FALSE(taps[2].defined());
  EXPECT_EQ(early.size_multiple(), 8);
  EXPECT_EQ(early.LastTapPixels(33, 40), 5 * 5);
  for (const nn::NamedParameter& named : nn::NamedParameters(early))
    EXPECT_FALSE(absl::StartsWith(named.name, "layer3") || absl::StartsWith(named.name, "layer4")) << named.name;
  config.stages = 4;
  // The stem under the names of semseg's classification networks.
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok());
  const nn::Rename semseg = nn::RenamePrefixes({{"backbone.stem.0.", "conv1."},
                                                {"backbone.stem.1.", "bn1."},
                                                {"backbone.stem.3.", "conv2."},
                                                {"backbone.stem.4.", "bn2."},
                                                {"backbone.stem.6.", "conv3."},
                                                {"backbone.stem.7.", "bn3."},
                                                {"backbone.", ""},
                                                {"classifier.", "fc."}});
  std::vector<nn::TensorSource> tensors;
  for (const nn::TensorInfo& tensor : file->tensors())
    tensors.push_back(
        {semseg(tensor.name), tensor.dtype, tensor.shape, [&file, tensor] { return *file->Read(tensor); }});
  const std::string theirs = ::testing::TempDir() + "/semseg.safetensors";
  ASSERT_TRUE(nn::WriteSafetensors(theirs, tensors).ok());
  ResNet third(config, RandomKey(4));
  ASSERT_TRUE(LoadResNet(theirs, third).ok());
  EXPECT_EQ(third(images, {})[3].array().ToVector<float>(), network.backbone(images, {})[3].array().ToVector<float>());

  config.stem = ResNetStem::kSingle;
  ResNet wrong(config, kKey);
  const absl::Status status = LoadResNet(path, wrong).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "conv1.weight")) << status;
}

}  // namespace
}  // namespace seg
