#include "seg/models/sfpnext.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/testing.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Shape;
using autograd::Tape;

const RandomKey kKey(31);

testing::Batch MakeBatch(int64_t size) {
  testing::Batch batch = testing::BrightHalves(2, size, kKey);
  batch.labels.data<uint8_t>()[0] = 255;
  return batch;
}

SFPNeXtConfig SmallConfig() {
  SFPNeXtConfig config;
  config.classes = 3;
  config.encoder = {.depths = {1, 1, 1, 1}, .dims = {8, 12, 16, 24}, .drop_path = 0};
  config.decoder.width = 16;
  config.decoder.pyramid_width = 8;
  config.decoder.attention_options.key_width = 4;
  return config;
}

// Counted from the shapes of the parts: CBR3 1,475,072 + attention 98,688 + laterals 144,896 + pyramid 1,623,808 + CBR1
// 16,640 + logits 7,611 on an encoder of 14,981,520.
TEST(SFPNeXt, NanoHasThePublishedReadingsParameters) {
  const absl::StatusOr<SFPNeXtConfig> config = ConfigureSFPNeXt("nano", 59);
  ASSERT_TRUE(config.ok());
  SFPNeXt model(*config, kKey);
  EXPECT_EQ(nn::ParameterCount(model.decoder.top), 1475072);
  EXPECT_EQ(nn::ParameterCount(*model.decoder.attention), 98688);
  EXPECT_EQ(nn::ParameterCount(model.decoder), 3366715);
  EXPECT_EQ(nn::ParameterCount(model), 18348235);
  EXPECT_EQ(nn::ParameterCount(model.decoder.classifier), 7611);
  EXPECT_FALSE(ConfigureSFPNeXt("nothing", 59).ok());
}

TEST(SFPNeXt, LastLayerHasItsOwnLearningRate) {
  SFPNeXt model(*ConfigureSFPNeXt("micro", 5), kKey);
  int found = 0;
  for (const nn::OptimizedParameter& optimized :
       nn::GroupParameters(model, {.rate_factors = {{model.last_layer(), 40}}})) {
    const bool last = optimized.parameter == &model.decoder.classifier.weight ||
                      optimized.parameter == &model.decoder.classifier.bias;
    EXPECT_EQ(optimized.rate_factor, last ? 40 : 1) << optimized.name;
    found += last;
  }
  EXPECT_EQ(found, 2);
}

TEST(SFPNeXt, LogitsAreAtTheStrideOfTheStem) {
  SFPNeXt model(*ConfigureSFPNeXt("micro", 5), kKey);
  EXPECT_EQ(model(Array::Zeros({1, 70, 101, 3}, autograd::kFloat32), {}).shape(), (Shape{1, 17, 25, 5}));
  SFPNeXtConfig config = SmallConfig();
  config.encoder.stem_stride = 2;
  config.decoder.attention = false;
  SFPNeXt fine(config, kKey);
  EXPECT_EQ(fine(Array::Zeros({1, 64, 64, 3}, autograd::kFloat32), {}).shape(), (Shape{1, 32, 32, 3}));
  EXPECT_FALSE(fine.decoder.attention.has_value());
}

TEST(SFPNeXt, InitialValuesDependOnTheKeyAndTheNameOnly) {
  SFPNeXtConfig config = SmallConfig();
  SFPNeXt first(config, kKey), second(config, kKey), other(config, RandomKey(1));
  config.classes = 7;
  SFPNeXt wider(config, kKey);
  const auto top = [](SFPNeXt& model) { return model.decoder.top.conv.weight.value().ToVector<float>(); };
  EXPECT_EQ(top(first), top(second));
  EXPECT_NE(top(first), top(other));
  EXPECT_EQ(top(first), top(wider));
}

// 120 steps on one batch: the loss falls to a fifth of what labels cost that are guessed, and every parameter moves.
TEST(SFPNeXt, LearnsABatchByHeart) {
  const testing::Batch batch = MakeBatch(64);
  for (const uint64_t seed : testing::kFirstWeights) {
    SFPNeXt model(SmallConfig(), RandomKey(seed));
    std::vector<std::vector<float>> before;
    for (const nn::NamedParameter& named : nn::NamedParameters(model))
      before.push_back(named.parameter->value().ToVector<float>());
    const std::vector<double> losses = testing::LearnByHeart(model, 120, 0.005, [&](const nn::Context& context) {
      return SegmentationLoss(model(batch.images, context), batch.labels);
    });
    EXPECT_LT(losses.back(), testing::LossOfTheBestGuess(batch.labels) / 5) << "weights " << seed;
    const std::vector<nn::NamedParameter> after = nn::NamedParameters(model);
    for (size_t i = 0; i < after.size(); ++i)
      EXPECT_NE(after[i].parameter->value().ToVector<float>(), before[i]) << after[i].name;
  }
}

TEST(SFPNeXt, CheckpointedBlocksChangeNothing) {
  const testing::Batch batch = MakeBatch(64);
  std::vector<std::vector<float>> gradients[2];
  for (const bool checkpoint : {false, true}) {
    SFPNeXtConfig config = SmallConfig();
    config.encoder.drop_path = 0.3;
    config.encoder.checkpoint_blocks = checkpoint;
    SFPNeXt model(config, kKey);
    Tape tape;
    tape.Backward(SegmentationLoss(model(batch.images, nn::Context::Training(kKey)), batch.labels));
    for (const nn::NamedParameter& named : nn::NamedParameters(model))
      gradients[checkpoint].push_back(named.parameter->gradient().ToVector<float>());
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST(SFPNeXt, BFloat16StaysCloseToFloat32) {
  const testing::Batch batch = MakeBatch(64);
  SFPNeXtConfig config = SmallConfig();
  SFPNeXt full(config, kKey);
  config.compute = autograd::kBFloat16;
  SFPNeXt half(config, kKey);
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
  EXPECT_EQ(half.encoder.stem_convolution.weight.gradient().dtype(), autograd::kFloat32);
}

TEST(SFPNeXt, WeightsComeBack) {
  const std::string path = ::testing::TempDir() + "/sfpnext.safetensors";
  const testing::Batch batch = MakeBatch(64);
  SFPNeXt model(SmallConfig(), kKey), other(SmallConfig(), RandomKey(5));
  model(batch.images, nn::Context::Training(kKey));  // moves the running statistics
  ASSERT_TRUE(nn::SaveWeights(path, model).ok());
  const absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(path, other);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(other(batch.images, {}).array().ToVector<float>(), model(batch.images, {}).array().ToVector<float>());

  // A cold start on other classes: everything but the classifier.
  SFPNeXtConfig config = SmallConfig();
  config.classes = 11;
  SFPNeXt cold(config, RandomKey(6));
  const absl::StatusOr<nn::LoadReport> cold_report = nn::LoadWeights(path, cold, {.strict = false});
  ASSERT_TRUE(cold_report.ok());
  EXPECT_EQ(cold_report->mismatched,
            (std::vector<std::string>{"decoder.classifier.weight: file (3, 8, 1, 1) F32, model (11, 8, 1, 1) F32",
                                      "decoder.classifier.bias: file (3) F32, model (11) F32"}));
  EXPECT_EQ(cold_report->loaded.size() + 2, nn::NamedParameters(cold).size() + nn::NamedBuffers(cold).size());
}

}  // namespace
}  // namespace seg
