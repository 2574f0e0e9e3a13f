#include "seg/models/ciss_net.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/conv2d.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"
#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/context_map.h"
#include "seg/models/testing.h"

namespace seg {
namespace {

using autograd::Shape;
using autograd::Tape;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;

const RandomKey kKey(81);
constexpr int64_t kClasses = 3;

CissNetConfig Small() {
  CissNetConfig config = *ConfigureCissNet("micro", kClasses);
  config.encoder.output_stride = 4;
  config.encoder.widths = {2, 3, 4, 4};
  config.encoder.stem_width = 4;
  config.base_width = config.trunk_width = 8;
  config.label_width = 6;
  config.label_branch_width = 4;
  config.group_channels = 4;
  return config;
}

Array Images(int64_t count, int64_t height, int64_t width) {
  return RandomArray({count, height, width, 3}, autograd::kFloat32, kKey, -2, 2);
}

Array RandomMap(const Shape& shape, int values, uint64_t seed) {
  std::vector<uint8_t> map(shape.size());
  for (size_t i = 0; i < map.size(); ++i)
    map[i] = static_cast<uint8_t>(autograd::UniformBelow(autograd::Philox(RandomKey(seed), i).x, values));
  return Array::From(shape, map);
}

std::vector<float> Values(const Variable& x) { return x.array().ToVector<float>(); }

TEST(CissNet, ConfigurationsFollowTheSize) {
  const CissNetConfig paper = *ConfigureCissNet("resnet50", 150);
  EXPECT_EQ(paper.classes, 150);
  EXPECT_EQ(paper.stage, 4);
  EXPECT_EQ(paper.encoder.output_stride, 8);
  EXPECT_EQ(paper.base_width, 512);
  EXPECT_EQ(paper.group_channels, 16);
  EXPECT_FALSE(paper.train_features);
  EXPECT_EQ(ConfigureCissNet("resnet101", 19)->encoder.depths[2], 23);
  EXPECT_EQ(ConfigureCissNet("nano", 19).status().code(), absl::StatusCode::kNotFound);
  CissNet micro(*ConfigureCissNet("micro", 19), kKey);
  EXPECT_EQ(micro.size_multiple(), 4);
  EXPECT_EQ(micro.config.stage, 2);
  EXPECT_EQ(micro.config.smallest_extent(), 6);
  EXPECT_EQ(micro.kReceptiveField, 1 + 2 * (1 + static_cast<int64_t>(micro.context_net.trunk.convolutions.size()) + 1));
}

// Counted from the paper's text: five layers of 3×3 in C-Net and Bias, two and a classifier in Base.
TEST(CissNet, HasTheParametersOfItsLayers) {
  CissNet net(Small(), kKey);
  const auto total = [](auto& module) { return nn::ParameterCount(nn::ModuleReference(module)); };
  const int64_t x = 4 * 3, encoded = 6, width = 8, norm = 2 * width, layer = 9 * width * width + norm;
  const auto label_encoder = [](int64_t values) { return 4 * (values * 4 + 2 * 4) + (values + 4 * 4) * 6 + 6; };
  const int64_t trunk = 9 * (x + encoded) * width + norm + 3 * layer;
  EXPECT_EQ(total(net.base_net), 9 * x * width + norm + layer + width * kClasses + kClasses);
  EXPECT_EQ(total(net.bias_net), label_encoder(kClasses + 1) + trunk + 9 * width * kClasses + kClasses);
  EXPECT_EQ(total(net.context_net), label_encoder(kClasses) + trunk + 9 * width * 2 + 2 + 9 * width + 1);
}

TEST(CissNet, EncodesUpToItsStage) {
  const Array images = Images(2, 20, 28);
  for (const int64_t stage : {1, 2, 3, 4}) {
    CissNetConfig config = Small();
    config.stage = stage;
    config.encoder.output_stride = 8;
    CissNet net(config, kKey);
    const Features features = net.Encode(images, {});
    ASSERT_EQ(static_cast<int64_t>(features.size()), stage);
    EXPECT_EQ(features.back().shape()[3], config.encoder.OutputChannels()[stage - 1]);
    EXPECT_EQ(features.back().shape()[1], stage == 1 ? 5 : 3);
    EXPECT_EQ(net(images, {}).shape(), Shape({2, stage == 1 ? 5 : 3, stage == 1 ? 7 : 4, kClasses}));
    for (const nn::NamedParameter& named : nn::NamedParameters(net)) {
      EXPECT_FALSE(absl::StartsWith(named.name, "backbone.layer") && named.name[14] - '0' > stage) << named.name;
    }
  }
  CissNetConfig config = Small();
  config.stage = 5;
  ExpectError([&] { CissNet net(config, kKey); }, "stages is 5");
}

// One convolution over [X, E] with the weights of both parts side by side.
TEST(ContextTrunk, TheFirstConvolutionIsLinearInItsParts) {
  CissNet net(Small(), kKey);
  ContextTrunk& trunk = net.context_net.trunk;
  const Variable x(RandomArray({2, 5, 7, 12}, autograd::kFloat32, RandomKey(1))),
      encoded(RandomArray({2, 5, 7, 6}, autograd::kFloat32, RandomKey(2)));
  const Variable weight = autograd::Concatenate({trunk.from_features.weight, trunk.from_encoded.weight}, -1);
  const Variable whole = autograd::Conv2d(autograd::Concatenate({x, encoded}, -1), weight, {}, {.padding = 1});
  EXPECT_TRUE(
      autograd::testing::AllClose((trunk.ReadFeatures(x) + trunk.from_encoded(encoded)).array(), whole.array(), 1e-5));
  // Both begin as parts of one draw from U(±1/√(inputs of both)).
  const double limit = 1 / std::sqrt(9.0 * (12 + 6));
  for (autograd::Parameter* part : {&trunk.from_features.weight, &trunk.from_encoded.weight}) {
    double largest = 0;
    for (float value : part->value().ToVector<float>()) largest = std::max(largest, std::abs(double{value}));
    EXPECT_LE(largest, limit);
    EXPECT_GE(largest, 0.95 * limit);
  }
}

TEST(CissNet, LogitsAreBaseAndBias) {
  CissNet net(Small(), kKey);
  const CissNet::Domain domain = net.Read(net.Encode(Images(2, 20, 28), {}).back(), {});
  EXPECT_EQ(domain.base.shape(), Shape({2, 5, 7, kClasses}));
  const Array empty = Array::Zeros({2, 5, 7}, autograd::kUInt8), map = RandomMap({2, 5, 7}, kClasses + 1, 1);
  // An empty context is not the absence of one, and what is in it matters.
  EXPECT_NE(Values(net.Segment(domain, empty, {})), Values(domain.base));
  EXPECT_NE(Values(net.Segment(domain, map, {})), Values(net.Segment(domain, empty, {})));
  net.bias_net.classifier.weight.Set(autograd::ZerosLike(net.bias_net.classifier.weight.value()));
  net.bias_net.classifier.bias.Set(Array::From<float>({3}, {1, -2, 0.5f}));
  const Variable shifted = domain.base + Variable(Array::From<float>({3}, {1, -2, 0.5f}));
  EXPECT_EQ(Values(net.Segment(domain, map, {})), Values(shifted));

  const CissNet::Judgement judgement = net.Judge(domain, RandomMap({2, 5, 7}, kClasses, 2), {});
  EXPECT_EQ(judgement.policy.shape(), Shape({2, 5, 7, 2}));
  EXPECT_EQ(judgement.value.shape(), Shape({2, 5, 7}));
  EXPECT_NE(Values(judgement.policy), Values(net.Judge(domain, RandomMap({2, 5, 7}, kClasses, 3), {}).policy));
}

// Equation 2, step by step.
TEST(CissNet, DecodesByTheStepsOfItsInference) {
  CissNet net(Small(), kKey);
  const Features features = net.Encode(Images(2, 24, 28), {});
  const nn::Context context = nn::Context::Training(RandomKey(6));
  std::vector<std::vector<float>> results;
  for (const bool sample : {false, true}) {
    for (const int64_t steps : {0, 1, 2, 3}) {
      net.inference = {.steps = steps, .choice = {.sample = sample}};
      const CissNet::Domain domain = net.Read(features.back(), context);
      Variable logits = domain.base;
      for (int64_t t = 0; t < steps; ++t) {
        const nn::Context own = context.Split("step").Split(static_cast<uint64_t>(t));
        const Array y = autograd::ArgMax(logits.array(), autograd::kUInt8);
        const Array policy = net.Judge(domain, y, own).policy.array();
        const Array actions =
            sample ? ContextActions(policy, own.key.Split("actions")) : ContextActions(policy, std::nullopt);
        logits = net.Segment(domain, ContextMap(y, actions), own);
      }
      results.push_back(Values(net.Decode(features, context)));
      EXPECT_EQ(results.back(), Values(logits)) << steps << " " << sample;
    }
  }
  EXPECT_EQ(results[0], results[4]);  // Base alone
  EXPECT_NE(results[1], results[5]);
  net.inference.choice.sample = true;
  EXPECT_EQ(Values(net.Decode(features, nn::Context::Training(RandomKey(6)))), results[7]);
}

// Only the last step of Decode is on the tape.
TEST(CissNet, EarlierStepsHaveNoPast) {
  CissNet net(Small(), kKey);
  const Features features = net.Encode(Images(1, 24, 24), {});
  size_t nodes[2];
  for (const int64_t steps : {1, 3}) {
    net.inference.steps = steps;
    Tape tape;
    net.Decode(features, nn::Context::Training(RandomKey(6)));
    nodes[steps / 2] = tape.node_count();
  }
  EXPECT_EQ(nodes[0], nodes[1]);
}

std::set<std::string> PartsWithGradients(CissNet& net) {
  std::set<std::string> parts;
  for (const nn::NamedParameter& named : nn::NamedParameters(net)) {
    if (named.parameter->has_gradient()) parts.insert(named.name.substr(0, named.name.find_last_of('.')));
  }
  return parts;
}

std::set<std::string> PartsUnder(CissNet& net, const std::vector<std::string>& prefixes) {
  std::set<std::string> parts;
  for (const nn::NamedParameter& named : nn::NamedParameters(net)) {
    for (const std::string& prefix : prefixes) {
      if (absl::StartsWith(named.name, prefix)) parts.insert(named.name.substr(0, named.name.find_last_of('.')));
    }
  }
  return parts;
}

// The segmentation loss trains S-Net, policy and value losses train C-Net, each but the other's last layer.
TEST(CissNet, EveryLossReachesItsNet) {
  CissNet names(Small(), kKey);
  const nn::Context context = nn::Context::Training(kKey);
  const Array images = Images(2, 24, 24), y = RandomMap({2, 6, 6}, kClasses, 1),
              k = RandomMap({2, 6, 6}, kClasses + 1, 2);
  const auto reached = [&](const auto& loss_of) {
    CissNet net(Small(), kKey);
    Tape tape;
    const Variable loss = loss_of(net, net.Read(net.Encode(images, context).back(), context));
    tape.Backward(autograd::Mean(loss * RandomArray(loss.shape(), autograd::kFloat32, kKey)));
    return PartsWithGradients(net);
  };
  using Domain = CissNet::Domain;
  EXPECT_EQ(reached([](CissNet&, const Domain& domain) { return domain.base; }), PartsUnder(names, {"base."}));
  EXPECT_EQ(reached([&](CissNet& net, const Domain& domain) { return net.Segment(domain, k, context); }),
            PartsUnder(names, {"base.", "bias."}));
  EXPECT_EQ(reached([&](CissNet& net, const Domain& domain) { return net.Judge(domain, y, context).policy; }),
            PartsUnder(names, {"context.encoder.", "context.trunk.", "context.policy."}));
  EXPECT_EQ(reached([&](CissNet& net, const Domain& domain) { return net.Judge(domain, y, context).value; }),
            PartsUnder(names, {"context.encoder.", "context.trunk.", "context.value."}));
}

TEST(CissNet, FeaturesAreConstantUnlessTheyTrain) {
  const Array images = Images(2, 24, 24);
  const nn::Context context = nn::Context::Training(kKey);
  for (const bool train : {false, true}) {
    CissNetConfig config = Small();
    config.train_features = train;
    CissNet net(config, kKey);
    const auto statistics = [&] {
      std::vector<std::vector<float>> values;
      for (const nn::NamedBuffer& named : nn::NamedBuffers(net)) {
        if (named.array->dtype() == autograd::kFloat32) values.push_back(named.array->ToVector<float>());
      }
      return values;
    };
    const auto before = statistics();
    const std::vector<float> in_evaluation = Values(net.Encode(images, {}).back());
    Tape tape;
    const Features features = net.Encode(images, context);
    EXPECT_EQ(features.back().tracked(), train);
    EXPECT_EQ(tape.node_count() > 0, train);
    EXPECT_EQ(Values(features.back()) == in_evaluation, !train);
    EXPECT_EQ(statistics() == before, !train);
    tape.Backward(autograd::Mean(net.Decode(features, context)));
    EXPECT_EQ(PartsWithGradients(net), PartsUnder(net, train ? std::vector<std::string>{"backbone.", "base.", "bias."}
                                                             : std::vector<std::string>{"base.", "bias."}));
    EXPECT_EQ(net.SmallestNorm(17, 24).has_value(), train);
    if (train) {
      EXPECT_EQ(net.SmallestNorm(17, 24)->values, 5 * 6);
    }
    EXPECT_EQ(nn::TrainableParameterCount(net.backbone) > 0, train);
  }
}

TEST(CissNet, DropoutDependsOnTheKeyAndTheStep) {
  CissNet net(Small(), kKey);
  const CissNet::Domain domain = net.Read(net.Encode(Images(1, 24, 24), {}).back(), {});
  const Array map = RandomMap({1, 6, 6}, kClasses, 1);
  const nn::Context context = nn::Context::Training(kKey);
  EXPECT_EQ(Values(net.Segment(domain, map, context)), Values(net.Segment(domain, map, context)));
  EXPECT_NE(Values(net.Segment(domain, map, context.Split(1))), Values(net.Segment(domain, map, context.Split(2))));
  EXPECT_NE(Values(net.Judge(domain, map, context.Split(1)).policy),
            Values(net.Judge(domain, map, context.Split(2)).policy));
  EXPECT_NE(Values(net.Read(domain.x, context).base), Values(domain.base));
}

// A ResNet of all stages, as a segmentation network of torchvision's names has it.
TEST(CissNet, LoadsTheEncoderOfAnotherNetwork) {
  ResNetConfig whole = Small().encoder;
  ResNet encoder(whole, RandomKey(5));
  const Array images = Images(2, 24, 24);
  encoder(images, nn::Context::Training(kKey));  // moves the running statistics
  const std::string path = ::testing::TempDir() + "/encoder.safetensors";
  ASSERT_TRUE(nn::SaveWeights(path, encoder).ok());
  CissNet net(Small(), kKey);
  const absl::StatusOr<nn::LoadReport> report = net.LoadEncoder(path);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Values(net.Encode(images, {}).back()), Values(encoder(images, {})[1]));

  // And its own weights come back, the frozen ones among them.
  const std::string own = ::testing::TempDir() + "/ciss_net.safetensors";
  ASSERT_TRUE(nn::SaveWeights(own, net).ok());
  CissNet other(Small(), RandomKey(9));
  ASSERT_TRUE(nn::LoadWeights(own, other).ok());
  EXPECT_EQ(Values(other(images, {})), Values(net(images, {})));
}

// Some steps on one batch: with context, the loss falls to a third of what labels cost that are guessed.
TEST(CissNet, LearnsABatchByHeart) {
  for (const uint64_t first : testing::kFirstWeights) {
    CissNetConfig config = *ConfigureCissNet("micro", kClasses);
    config.dropout = 0;
    CissNet net(config, RandomKey(first));
    const Array images = Images(2, 24, 24), k = RandomMap({2, 6, 6}, kClasses + 1, 2);
    std::vector<uint8_t> classes(2 * 24 * 24);
    for (size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<uint8_t>(i / 24 % 24 / 8);
    const Array labels = Array::From<uint8_t>({2, 24, 24}, classes);
    const std::vector<double> losses =
        testing::LearnByHeart(nn::ModuleReference(net), 60, 5e-3, [&](const nn::Context& context) {
          return SegmentationLoss(net.Segment(net.Read(net.Encode(images, context).back(), context), k, context),
                                  labels);
        });
    EXPECT_LT(losses.back(), testing::LossOfTheBestGuess(labels) / 3) << first;
  }
}

TEST(CissNet, RoundsInBFloat16AsItsWeightsDo) {
  CissNetConfig config = Small();
  const Array images = Images(2, 24, 24), y = RandomMap({2, 6, 6}, kClasses, 1),
              k = RandomMap({2, 6, 6}, kClasses + 1, 2);
  CissNet exact(config, kKey), rounded(config, kKey);
  testing::RoundWeights(nn::ModuleReference(rounded));
  config.compute = autograd::kBFloat16;
  CissNet narrow(config, kKey);
  struct Results {
    Variable logits, policy, value;
  };
  const auto results = [&](CissNet& net) {
    const CissNet::Domain domain = net.Read(net.Encode(images, {}).back(), {});
    const CissNet::Judgement judgement = net.Judge(domain, y, {});
    return Results{net.Segment(domain, k, {}), judgement.policy, judgement.value};
  };
  const Results a = results(exact), b = results(rounded), c = results(narrow);
  for (Variable Results::*result : {&Results::logits, &Results::policy, &Results::value}) {
    EXPECT_EQ((c.*result).dtype(), autograd::kFloat32);
    EXPECT_LT(testing::RelativeDistance(c.*result, a.*result),
              testing::kRoundingsOfALayer * testing::RelativeDistance(b.*result, a.*result));
  }
}

TEST(CissNet, Misuse) {
  CissNet net(Small(), kKey);
  const Features features = net.Encode(Images(1, 24, 24), {});
  const CissNet::Domain domain = net.Read(features.back(), {});
  ExpectError(
      [&] {
        net.Segment(domain, Array::Zeros({1, 1, 1}, autograd::kUInt8), {});
      },
      "CissNet::Segment: h is 6 in x");
  ExpectError([&] { net.Judge(domain, Array::Zeros({1, 6, 5}, autograd::kUInt8), {}); }, "CissNet::Judge: w is 6 in x");
  ExpectError([&] { net.Judge(domain, Array::Zeros({1, 6, 6}, autograd::kFloat32), {}); }, "labels must be uint8");
  ExpectError([&] { net.Decode({features.back()}, {}); }, "CissNet: decodes 2 features, not 1");
  CissNetConfig config = Small();
  config.trunk_width = 10;
  ExpectError([&] { CissNet(config, kKey); }, "10 channels are no multiple of 4 channels a group");
  config = Small();
  config.classes = 255;
  ExpectError([&] { CissNet(config, kKey); }, "CissNet: 255 classes, not 1 to 254");
}

}  // namespace
}  // namespace seg
