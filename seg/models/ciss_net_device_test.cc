// A step of CiSS-Net on a CUDA device, emulated and, where there is one, real, beside the CPU: features, both nets,
// actions, context map, reward, losses and their gradients stay on the device and come to the same numbers.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "autograd/ops/cast.h"
#include "autograd/ops/cross_entropy.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/softmax.h"
#include "autograd/testing/cuda_device.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"
#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/ciss_net.h"
#include "seg/models/context_map.h"
#include "seg/rewards/context_reward.h"
#include "seg/rewards/label_batch.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::DType;
using autograd::Stream;
using autograd::testing::UnitRoundoff;

const RandomKey kKey(64);
constexpr int64_t kImages = 2, kHeight = 24, kWidth = 20, kClasses = 3;

struct Results {
  std::vector<std::vector<uint8_t>> maps;  // Y^0, B^0, K^0, Y^1
  std::vector<float> reward;
  double margin = 0;  // by which the nearest decision of argmax and of the policy was taken
  double loss = 0;
  std::vector<std::vector<double>> gradients;
};

Array Widened(const Array& array, DType compute) { return autograd::Cast(Variable(array), compute).array(); }

std::vector<double> InDouble(const Array& array) { return Widened(array, autograd::kFloat64).ToVector<double>(); }

// The smallest difference between the two largest of each row.
double Margin(const Array& logits) {
  const std::vector<double> values = InDouble(logits);
  const int64_t k = logits.shape()[-1];
  double margin = INFINITY;
  for (size_t i = 0; i < values.size(); i += k) {
    std::vector<double> row(values.begin() + i, values.begin() + i + k);
    std::sort(row.begin(), row.end());
    margin = std::min(margin, row[k - 1] - row[k - 2]);
  }
  return margin;
}

Results Step(Stream& stream, DType compute) {
  CissNetConfig config = *ConfigureCissNet("micro", kClasses);
  config.encoder.widths = {2, 2, 2, 2};
  config.encoder.stem_width = 4;
  config.base_width = config.trunk_width = config.label_width = 8;
  config.label_branch_width = 8;
  config.group_channels = 4;
  config.compute = compute;
  config.train_features = true;
  autograd::StreamScope scope(stream);
  CissNet net(config, kKey);
  if (compute == autograd::kFloat64) {
    for (const nn::NamedParameter& named : nn::NamedParameters(net))
      named.parameter->Set(Widened(named.parameter->value(), compute));
    for (const nn::NamedBuffer& named : nn::NamedBuffers(net)) {
      if (named.array->dtype() == autograd::kFloat32) *named.array = Widened(*named.array, compute);
    }
  }
  const Array images = autograd::testing::RandomArray({kImages, kHeight, kWidth, 3}, autograd::kFloat32, kKey, -2, 2);
  std::vector<uint8_t> classes(kImages * kHeight * kWidth);
  for (size_t i = 0; i < classes.size(); ++i) classes[i] = i % 7 == 0 ? 255 : static_cast<uint8_t>(i / 5 % kClasses);
  const Array labels = Array::From<uint8_t>({kImages, kHeight, kWidth}, classes);

  Results results;
  const auto keep = [&](const Array& map) { results.maps.push_back(map.ToVector<uint8_t>()); };
  const nn::Context context = nn::Context::Training(kKey);
  constexpr double kDiscount = 0.9, kEntropy = 0.05;
  autograd::Tape tape;
  const CissNet::Domain domain = net.Read(net.Encode(images, context).back(), context);
  const Array y0 = autograd::ArgMax(domain.base.array(), autograd::kUInt8);
  const CissNet::Judgement first = net.Judge(domain, y0, context.Split(1));
  const Array actions = ContextActions(first.policy.array(), kKey.Split("actions"));
  const Array k0 = ContextMap(y0, actions);
  const Variable logits = net.Segment(domain, k0, context.Split(1));
  const Array y1 = autograd::ArgMax(logits.array(), autograd::kUInt8);
  const CissNet::Judgement second = net.Judge(domain, y1, context.Split(2));
  const Array reward = ContextReward(y0, y1, k0, LabelsAt(labels, y0.shape()[1], y0.shape()[2]));
  for (const Array& map : {y0, actions, k0, y1}) keep(map);
  results.reward = reward.ToVector<float>();
  results.margin = std::min(Margin(domain.base.array()), Margin(logits.array()));

  const Variable returns = Variable(reward) + kDiscount * second.value.Detach();
  const Array advantages = (returns - first.value.Detach()).array();
  const Variable loss =
      autograd::CrossEntropy(first.policy, actions, 255, advantages) +
      autograd::Mean(autograd::Square(returns - first.value)) +
      kEntropy * 2 * autograd::Mean(autograd::Softmax(first.policy) * autograd::LogSoftmax(first.policy)) +
      0.5 * (SegmentationLoss(domain.base, labels) + SegmentationLoss(logits, labels));
  results.loss = loss.Item();
  tape.Backward(loss);
  for (const nn::NamedParameter& named : nn::NamedParameters(net)) {
    EXPECT_TRUE(named.parameter->has_gradient()) << named.name;
    results.gradients.push_back(InDouble(named.parameter->gradient()));
  }
  return results;
}

// Of all gradients as one vector: the norm of a − b over that of b.
double Apart(const Results& a, const Results& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.gradients.size(); ++i) {
    for (size_t k = 0; k < b.gradients[i].size(); ++k) {
      difference += std::pow(a.gradients[i][k] - b.gradients[i][k], 2);
      size += std::pow(b.gradients[i][k], 2);
    }
  }
  return std::sqrt(difference / size);
}

class CissNetOnADevice : public ::testing::TestWithParam<std::tuple<const char*, DType>> {
 protected:
  void SetUp() override {
    const std::string name = std::get<0>(GetParam());
    if (name == "emulator") {
      device_ = cuda_emulator::OpenEmulatedStream();
      return;
    }
    autograd::testing::OpenCudaOrSkip(name, device_);
  }

  std::unique_ptr<Stream> device_;
};

TEST_P(CissNetOnADevice, AgreesWithTheCpu) {
  const DType compute = std::get<1>(GetParam());
  const Results measured = Step(*device_, compute), expected = Step(Stream::Cpu(), compute);
  // No sum has more terms than there are pixels, and no decision is so near that rounding takes it.
  const double rounding =
      compute == autograd::kFloat64
          ? 2 * 30 * UnitRoundoff(autograd::kFloat32)  // logits, values and losses are float32 in any case
          : 2 * autograd::testing::RoundingOfSum(autograd::kFloat32, kImages * kHeight * kWidth);
  ASSERT_GT(expected.margin, rounding);
  EXPECT_EQ(measured.maps, expected.maps);
  EXPECT_EQ(measured.reward, expected.reward);
  EXPECT_NEAR(measured.loss, expected.loss, rounding * std::abs(expected.loss));
  // In float32 a ReLU's input may lie within rounding of zero, where gradients jump: one of the 2·6·5·8 units of a
  // layer changes those before it by 1/√480 of their size. Two may.
  EXPECT_LE(Apart(measured, expected), compute == autograd::kFloat64 ? rounding : 2 / std::sqrt(480.0));
}

INSTANTIATE_TEST_SUITE_P(Devices, CissNetOnADevice,
                         ::testing::Combine(::testing::Values("emulator", "cuda"),
                                            ::testing::Values(autograd::kFloat32, autograd::kFloat64)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" + autograd::Name(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace seg
