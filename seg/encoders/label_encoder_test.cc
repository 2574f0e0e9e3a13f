#include "seg/encoders/label_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"
#include "nn/module.h"

namespace seg {
namespace {

using autograd::Shape;
using autograd::testing::ExpectError;

const RandomKey kKey(31);

LabelEncoderConfig Small() { return {.values = 4, .width = 6, .branch_width = 4, .group_channels = 2, .bins = {1, 2}}; }

Array Labels(const Shape& shape, int values) {
  std::vector<uint8_t> labels(shape.size());
  for (size_t i = 0; i < labels.size(); ++i)
    labels[i] = static_cast<uint8_t>(autograd::UniformBelow(autograd::Philox(kKey, i).x, values));
  return Array::From(shape, labels);
}

std::vector<float> Values(const Variable& x) { return x.array().ToVector<float>(); }

// A projection that hands on channel `first + o` as its output o, and adds nothing.
void HandOn(LabelEncoder& encoder, int64_t first) {
  const Shape shape = encoder.projection.weight.shape();
  std::vector<float> weight(shape.size());
  for (int64_t o = 0; o < shape[0] && first + o < shape[1]; ++o) weight[o * shape[1] + first + o] = 1;
  encoder.projection.weight.Set(Array::From(shape, weight));
  encoder.projection.bias.Set(Array::Zeros({shape[0]}, autograd::kFloat32));
}

TEST(LabelEncoder, TheFirstChannelsAreOneHotAndOtherLabelsHaveNone) {
  LabelEncoderConfig config = Small();
  config.width = config.values;
  LabelEncoder encoder(config, kKey);
  HandOn(encoder, 0);
  const Variable y = encoder(Array::From<uint8_t>({1, 1, 5}, {2, 0, 3, 4, 255}), {});
  EXPECT_EQ(y.shape(), Shape({1, 1, 5, 4}));
  EXPECT_EQ(Values(y), (std::vector<float>{0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}));
}

// The branch of one bin, from its definition: W·(share of each label), each pair of channels normalised by its own mean
// and variance, ReLU, everywhere the same.
TEST(LabelEncoder, TheBranchOfOneBinKnowsTheSharesOfTheLabels) {
  LabelEncoderConfig config = Small();
  config.width = config.branch_width;
  LabelEncoder encoder(config, kKey);
  HandOn(encoder, config.values);
  nn::GroupNorm& norm = encoder.branches[0].norm;
  norm.weight.Set(Array::From<float>({4}, {1.5f, -0.5f, 2, 1}));
  norm.bias.Set(Array::From<float>({4}, {0.25f, 0.5f, -1, 0}));
  const Array labels = Labels({2, 5, 7}, 4);
  const std::vector<float> y = Values(encoder(labels, {})),
                           weight = encoder.branches[0].conv.weight.value().ToVector<float>(),
                           scale = norm.weight.value().ToVector<float>(), shift = norm.bias.value().ToVector<float>();
  for (int64_t image = 0; image < 2; ++image) {
    double share[4] = {}, product[4] = {};
    for (int64_t i = 0; i < 35; ++i) share[labels.data<uint8_t>()[image * 35 + i]] += 1.0 / 35;
    for (int o = 0; o < 4; ++o) {
      for (int k = 0; k < 4; ++k) product[o] += static_cast<double>(weight[o * 4 + k]) * share[k];
    }
    for (int o = 0; o < 4; ++o) {
      const double first = product[o / 2 * 2], second = product[o / 2 * 2 + 1], mean = (first + second) / 2;
      const double deviation = std::sqrt((first - second) * (first - second) / 4 + 1e-5);
      const double expected = std::max(0.0, (product[o] - mean) / deviation * scale[o] + shift[o]);
      for (int64_t i = 0; i < 35; ++i) EXPECT_NEAR(y[(image * 35 + i) * 4 + o], expected, 1e-4) << image << " " << o;
    }
  }
}

// Two bins a side, resized with half-pixel centres: the corner pixels of a 4×4 grid are beyond the bins' centres.
TEST(LabelEncoder, TheBranchOfTwoBinsKnowsWhereLabelsAre) {
  LabelEncoderConfig config = Small();
  config.width = config.branch_width;
  LabelEncoder encoder(config, kKey);
  HandOn(encoder, config.values + config.branch_width);
  std::vector<uint8_t> quarters(16);
  for (int i = 0; i < 16; ++i) quarters[i] = static_cast<uint8_t>(i / 8 * 2 + i % 4 / 2);
  const std::vector<float> y = Values(encoder(Array::From<uint8_t>({1, 4, 4}, quarters), {}));
  EXPECT_NE(y, std::vector<float>(y.size()));
  const auto at = [&](int row, int column, int channel) { return y[(row * 4 + column) * 4 + channel]; };
  for (int c = 0; c < 4; ++c) {
    // The bins' centres are half a pixel inside the corner pixels'; between them the others lie at ¼ and ¾.
    EXPECT_NEAR(at(0, 1, c), 0.75 * at(0, 0, c) + 0.25 * at(0, 3, c), 1e-5);
    EXPECT_NEAR(at(2, 0, c), 0.25 * at(0, 0, c) + 0.75 * at(3, 0, c), 1e-5);
  }
}

TEST(LabelEncoder, EveryParameterTrains) {
  LabelEncoder encoder({.values = 5, .width = 8, .branch_width = 16}, kKey);
  EXPECT_EQ(encoder.config.smallest_extent(), 6);
  EXPECT_EQ(nn::ParameterCount(encoder), 4 * (5 * 16 + 2 * 16) + (5 + 4 * 16) * 8 + 8);
  autograd::Tape tape;
  const Variable y = encoder(Labels({2, 9, 7}, 5), {});
  EXPECT_EQ(y.shape(), Shape({2, 9, 7, 8}));
  tape.Backward(autograd::Mean(y * autograd::testing::RandomArray(y.shape(), autograd::kFloat32, kKey)));
  for (const nn::NamedParameter& named : nn::NamedParameters(encoder))
    EXPECT_TRUE(named.parameter->has_gradient()) << named.name;
}

TEST(LabelEncoder, GridsSmallerThanTheBinsAreEncoded) {
  LabelEncoder encoder({.values = 5, .width = 8, .branch_width = 16}, kKey);
  for (const Shape& shape : std::vector<Shape>{{2, 1, 1}, {1, 3, 8}}) {
    const std::vector<float> y = Values(encoder(Labels(shape, 5), {}));
    EXPECT_EQ(static_cast<int64_t>(y.size()), 8 * shape.size());
    for (float value : y) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(LabelEncoder, Misuse) {
  LabelEncoder encoder(Small(), kKey);
  ExpectError([&] { encoder(Array::Zeros({1, 4, 4}, autograd::kInt32), {}); }, "LabelEncoder: labels must be uint8");
  ExpectError([&] { encoder(Array::Zeros({4, 4}, autograd::kUInt8), {}); }, "LabelEncoder: labels has shape [4, 4]");
  LabelEncoderConfig config = Small();
  config.branch_width = 5;
  ExpectError([&] { LabelEncoder(config, kKey); }, "branch_width 5 is no multiple of 2 channels a group");
  config = Small();
  config.values = 257;
  ExpectError([&] { LabelEncoder(config, kKey); }, "257 values in a byte");
}

}  // namespace
}  // namespace seg
