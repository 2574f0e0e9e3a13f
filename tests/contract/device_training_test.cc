// SFPNeXt trained on a CUDA device, emulated or real, beside the CPU: what contract rows of single operations cannot
// show is that the whole path, from the images to the updated weights, stays on the device and comes to the same
// numbers.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autograd/autograd.h"
#include "autograd/runtime/profiler.h"
#include "autograd/testing/cuda_device.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/tolerance.h"
#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/sfpnext.h"

namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Stream;
using autograd::Variable;
using autograd::testing::RoundingOfSum;
using autograd::testing::UnitRoundoff;

constexpr int64_t kImages = 2, kSize = 32, kClasses = 5;
constexpr int kSteps = 2;
constexpr double kRate = 1e-3;

// A layer of every kind, and few channels: emulated threads are slow.
seg::SFPNeXtConfig SmallConfig(autograd::DType compute, double drop_path) {
  seg::SFPNeXtConfig config = *seg::ConfigureSFPNeXt("micro", kClasses);
  config.compute = compute;
  config.encoder.depths = {1, 1, 1, 1};
  config.encoder.dims = {8, 8, 8, 8};
  config.encoder.drop_path = drop_path;
  config.decoder.width = config.decoder.pyramid_width = 8;
  return config;
}

struct Trained {
  std::vector<double> losses;
  std::vector<std::vector<double>> gradients;  // of the first step, before they are clipped
  std::vector<std::vector<float>> weights;
};

std::vector<double> InDouble(const Array& array) {
  return autograd::Cast(Variable(array), autograd::kFloat64).array().ToVector<double>();
}

// Two steps; of float64, for which there are no optimizers, the gradients of one.
Trained Train(Stream& stream, autograd::DType compute) {
  autograd::StreamScope scope(stream);
  seg::SFPNeXt model(SmallConfig(compute, 0), RandomKey(1));
  if (compute == autograd::kFloat64) {
    const auto widened = [](const Array& array) { return autograd::Cast(Variable(array), autograd::kFloat64).array(); };
    for (const nn::NamedParameter& named : nn::NamedParameters(model))
      named.parameter->Set(widened(named.parameter->value()));
    for (const nn::NamedBuffer& named : nn::NamedBuffers(model)) {
      if (named.array->dtype() == autograd::kFloat32) *named.array = widened(*named.array);
    }
  }

  std::vector<float> pixels(kImages * kSize * kSize * 3);
  std::vector<uint8_t> labels(kImages * kSize * kSize);
  for (size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = 2 * autograd::UniformFloat(autograd::Philox(RandomKey(2), i).x) - 1;
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = i % 11 == 0 ? 255 : static_cast<uint8_t>(i / 3 % kClasses);
  const Variable images(Array::From<float>({kImages, kSize, kSize, 3}, pixels));
  const Array truth = Array::From<uint8_t>({kImages, kSize, kSize}, labels);

  Trained trained;
  const auto step = [&](int index) {
    autograd::Tape tape;
    const Variable logits = model(images, nn::Context::Training(RandomKey(3).Split(static_cast<uint64_t>(index))));
    const Variable loss = seg::SegmentationLoss(logits, truth);
    trained.losses.push_back(loss.Item());
    tape.Backward(loss);
    if (index > 0) return;
    for (const nn::NamedParameter& named : nn::NamedParameters(model))
      trained.gradients.push_back(InDouble(named.parameter->gradient()));
  };
  step(0);
  if (compute == autograd::kFloat64) return trained;
  nn::AdamW optimizer(nn::GroupParameters(model, {.weight_decay = 0.05}));
  nn::MovingAverage average(model, 0.9);
  for (int index = 0; index < kSteps; ++index) {
    if (index > 0) step(index);
    nn::ClipGradientNorm(optimizer.parameters(), 1.0);
    optimizer.Step(kRate);
    optimizer.ClearGradients();
    average.Update();
  }
  return trained;
}

// With stochastic depth, by CapturedStep: `eager_runs` steps as they are, the others recorded and replayed. Every step
// has other images and another rate, gradients are clipped, the last step's gradient is not finite, and between the
// steps the network is evaluated.
constexpr int kCapturedSteps = 4, kBrokenStep = kCapturedSteps - 1;
Trained TrainCaptured(Stream& stream, autograd::DType compute, int eager_runs) {
  autograd::StreamScope scope(stream);
  seg::SFPNeXt model(SmallConfig(compute, 0.5), RandomKey(1));
  nn::AdamW optimizer(nn::GroupParameters(model, {.weight_decay = 0.05}));
  nn::MovingAverage average(model, 0.9);

  Array images = Array::Zeros({kImages, kSize, kSize, 3}, autograd::kFloat32);
  Array labels = Array::Zeros({kImages, kSize, kSize}, autograd::kUInt8);
  constexpr double kLargestNorm = 0.5;
  Trained trained;
  {
    Variable loss;
    Array norm, sound;
    autograd::CapturedStep step(
        [&](const RandomKey& key) {
          autograd::Tape tape;
          loss = seg::SegmentationLoss(model(Variable(images), nn::Context::Training(key)), labels);
          tape.Backward(loss);
          norm = nn::ClipGradientNorm(optimizer.parameters(), kLargestNorm);
          sound = nn::AllFinite({loss.array(), norm});
          optimizer.Update(sound);
          optimizer.ClearGradients();
          average.Update(sound);
        },
        eager_runs);
    const auto weights = [&] {
      std::vector<std::vector<float>> values;
      for (const nn::NamedParameter& named : nn::NamedParameters(model))
        values.push_back(named.parameter->value().ToVector<float>());
      for (const nn::NamedBuffer& named : nn::NamedBuffers(average)) {
        if (named.array->dtype() == autograd::kFloat32) values.push_back(named.array->ToVector<float>());
      }
      for (const nn::NamedBuffer& named : nn::NamedBuffers(optimizer)) {
        if (named.array->dtype() == autograd::kFloat32) values.push_back(named.array->ToVector<float>());
      }
      return values;
    };
    for (int i = 0; i < kCapturedSteps; ++i) {
      std::vector<float> pixels(images.size());
      for (size_t k = 0; k < pixels.size(); ++k)
        pixels[k] = 2 * autograd::UniformFloat(autograd::Philox(RandomKey(i), k).x) - 1;
      if (i == kBrokenStep) pixels[5] = NAN;
      images.CopyFrom(Array::From<float>(images.shape(), pixels));
      std::vector<uint8_t> classes(labels.size());
      for (size_t k = 0; k < classes.size(); ++k) classes[k] = static_cast<uint8_t>((k / 3 + i) % kClasses);
      labels.CopyFrom(Array::From<uint8_t>(labels.shape(), classes));

      const std::vector<std::vector<float>> before = weights();
      if (i == kBrokenStep) {  // whose running statistics are NaN
        for (const nn::NamedBuffer& named : nn::NamedBuffers(model)) {
          if (named.array->dtype() == autograd::kFloat32) trained.weights.push_back(named.array->ToVector<float>());
        }
      }
      optimizer.SetLearningRate(1e-3 / (i + 1));
      step.Run(RandomKey(3), i);
      EXPECT_EQ(step.recorded(), i >= eager_runs);
      EXPECT_EQ(sound.Item(), i == kBrokenStep ? 0 : 1);
      EXPECT_EQ(weights() == before, i == kBrokenStep);
      if (i == kBrokenStep) break;
      EXPECT_GT(norm.Item(), kLargestNorm);
      trained.losses.push_back(loss.Item());
      trained.losses.push_back(norm.Item());
      // Makes the bfloat16 copies of the weights before the step is recorded, too.
      trained.weights.push_back(model(Variable(images), nn::Context()).array().ToVector<float>());
    }
    for (const std::vector<float>& values : weights()) trained.weights.push_back(values);
  }
  for (const nn::NamedBuffer& named : nn::NamedBuffers(model)) {
    if (named.array->dtype() != autograd::kFloat32) {
      EXPECT_EQ(named.array->Item(), kCapturedSteps) << named.name;  // batches that a batch norm has seen
    }
  }
  return trained;
}

void ExpectTheSameBits(Stream& stream, autograd::DType compute) {
  const Trained eager = TrainCaptured(stream, compute, kCapturedSteps), replayed = TrainCaptured(stream, compute, 1);
  EXPECT_EQ(replayed.losses, eager.losses);
  EXPECT_TRUE(replayed.weights == eager.weights);
}

// Of all gradients as one vector: the norm of a − b over that of b.
double Apart(const Trained& a, const Trained& b) {
  EXPECT_EQ(a.gradients.size(), b.gradients.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.gradients.size(); ++i) {
    EXPECT_EQ(a.gradients[i].size(), b.gradients[i].size()) << "tensor " << i;
    for (size_t k = 0; k < b.gradients[i].size(); ++k) {
      difference += std::pow(a.gradients[i][k] - b.gradients[i][k], 2);
      size += std::pow(b.gradients[i][k], 2);
    }
  }
  return std::sqrt(difference / size);
}

// How far the loss behind AdamW's first step may be apart where the gradients before it are, by `apart` of their norm,
// which is clipped to 1. The step moves a weight by the rate whatever the gradient's size, so a weight may go the other
// way, which changes the loss by twice the rate times as much of the gradient as is apart: over all n weights no more
// than 2·rate·√n·apart.
double LossApart(const Trained& trained, double apart) {
  double weights = 0;
  for (const std::vector<double>& gradient : trained.gradients) weights += static_cast<double>(gradient.size());
  return 2 * kRate * std::sqrt(weights) * apart;
}

// The emulated device always, the real one where there is one.
class DeviceTrainingTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "emulator") {
      device_ = cuda_emulator::OpenEmulatedStream();
      return;
    }
    autograd::testing::OpenCudaOrSkip(GetParam(), device_);
  }

  std::unique_ptr<Stream> device_;
};

// The formulas of every kernel on the path: the logits are rounded to float32, and the loss and its gradient computed
// from them in it, in some ten roundings; all else has next to none.
TEST_P(DeviceTrainingTest, Float64GivesTheCpusGradients) {
  const Trained measured = Train(*device_, autograd::kFloat64), expected = Train(Stream::Cpu(), autograd::kFloat64);
  const double rounding = 2 * 10 * UnitRoundoff(autograd::kFloat32);
  EXPECT_NEAR(measured.losses[0], expected.losses[0], rounding * expected.losses[0]);
  EXPECT_LE(Apart(measured, expected), rounding);
}

TEST_P(DeviceTrainingTest, Float32ComesToTheCpusNumbers) {
  const Trained measured = Train(*device_, autograd::kFloat32), expected = Train(Stream::Cpu(), autograd::kFloat32);
  // No sum has more terms than there are pixels.
  const double rounding = 2 * RoundingOfSum(autograd::kFloat32, kImages * kSize * kSize);
  EXPECT_NEAR(measured.losses[0], expected.losses[0], rounding * expected.losses[0]);
  const double tolerance = rounding * expected.losses[1] + LossApart(expected, rounding);
  EXPECT_NEAR(measured.losses[1], expected.losses[1], tolerance);
  EXPECT_GT(std::abs(expected.losses[1] - expected.losses[0]), 10 * tolerance) << "no step is seen";
  // A ReLU's input may lie within rounding of zero, where gradients jump: one of the 2·8·8·8 units of a fine map
  // changes those before it by 1/√1024 of their size. Two may.
  EXPECT_LE(Apart(measured, expected), 2 / std::sqrt(1024.0));
}

// Both round to bfloat16 at the same places, so they are no farther apart than if their roundings had nothing to do
// with each other.
TEST_P(DeviceTrainingTest, BFloat16ComesToTheCpusNumbers) {
  const Trained measured = Train(*device_, autograd::kBFloat16), expected = Train(Stream::Cpu(), autograd::kBFloat16),
                exact = Train(Stream::Cpu(), autograd::kFloat32);
  const double rounding = std::sqrt(2.0) * Apart(expected, exact);
  EXPECT_GT(rounding, 0);
  EXPECT_LE(Apart(measured, expected), rounding);
  // A loss is a mean over pixels, whose logits have one rounding behind the others.
  const double of_a_mean = UnitRoundoff(autograd::kBFloat16) * expected.losses[0];
  EXPECT_NEAR(measured.losses[0], expected.losses[0], of_a_mean);
  EXPECT_NEAR(measured.losses[1], expected.losses[1], of_a_mean + LossApart(expected, rounding));
}

TEST_P(DeviceTrainingTest, AReplayedStepHasTheBitsOfAnEagerOne) {
  ExpectTheSameBits(*device_, autograd::kFloat32);
  ExpectTheSameBits(*device_, autograd::kBFloat16);
}

TEST_P(DeviceTrainingTest, ARecordedStepThatReadsBackIsAnError) {
  autograd::StreamScope scope(*device_);
  const Array x = Array::Full({1}, autograd::kFloat32, 2);
  autograd::CapturedStep step([&](const RandomKey&) { EXPECT_EQ(x.Item(), 2); });
  step.Run(RandomKey(1), 0);
  EXPECT_THROW(step.Run(RandomKey(1), 1), autograd::Error);
  EXPECT_EQ(x.Item(), 2);  // the stream is usable again
}

// On a device what counts is the number of launches, and there are some hundred weights: none is converted by itself,
// and no gradient of one is converted or added by itself.
TEST(DeviceTrainingLaunchesTest, ABFloat16StepHasNoKernelForEachWeight) {
  const std::unique_ptr<Stream> device = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*device);
  seg::SFPNeXt model(SmallConfig(autograd::kBFloat16, 0), RandomKey(1));
  nn::AdamW optimizer(nn::GroupParameters(model, {.weight_decay = 0.05}));
  const Variable images(Array::Full({kImages, kSize, kSize, 3}, autograd::kFloat32, 0.5));
  const Array labels = Array::Zeros({kImages, kSize, kSize}, autograd::kUInt8);
  const auto step = [&](int index) {
    autograd::Tape tape;
    const auto key = RandomKey(3).Split(static_cast<uint64_t>(index));
    tape.Backward(seg::SegmentationLoss(model(images, nn::Context::Training(key)), labels));
    nn::ClipGradientNorm(optimizer.parameters(), 1.0);
    optimizer.Step(kRate);
    optimizer.ClearGradients();
  };
  step(0);  // makes the copies
  autograd::Profiler::Clear();
  autograd::Profiler::Enable(true);
  step(1);
  autograd::Profiler::Enable(false);
  std::map<std::string, autograd::Profiler::Entry> kernels = autograd::Profiler::Entries();
  autograd::Profiler::Clear();
  EXPECT_GT(optimizer.parameters().size(), 50u);
  EXPECT_LE(kernels["Convert"].calls, 4);  // images and logits, there and back
  EXPECT_EQ(kernels["AccumulateAll"].calls, 1);
  EXPECT_LE(kernels["Accumulate"].calls, 20);  // where a value is used twice: residual blocks and the pyramid
}

// A recording has memory of its own: arrays that come and go between replays never meet it.
TEST_P(DeviceTrainingTest, ReplaysDoNotTouchTheArraysOfOthers) {
  autograd::StreamScope scope(*device_);
  const Array x = Array::Full({1000}, autograd::kFloat32, 3);
  Variable y;
  autograd::CapturedStep step([&](const RandomKey&) { y = (Variable(x) + Variable(x)) * Variable(x); }, 0);
  step.Run(RandomKey(1), 0);
  const Array other = Array::Full({1000}, autograd::kFloat32, 7), another = Array::Full({1000}, autograd::kFloat32, 8);
  step.Run(RandomKey(1), 1);
  EXPECT_EQ(y.array().ToVector<float>(), std::vector<float>(1000, 18));
  EXPECT_EQ(other.ToVector<float>(), std::vector<float>(1000, 7));
  EXPECT_EQ(another.ToVector<float>(), std::vector<float>(1000, 8));
}

// What one queue waits for is there: copies on another queue, of one device.
TEST_P(DeviceTrainingTest, AQueueWaitsForItsNeighbour) {
  autograd::StreamScope scope(*device_);
  const std::unique_ptr<Stream> beside = device_->OpenBeside();
  Array landed = Array::Zeros({1 << 20}, autograd::kFloat32), read = autograd::EmptyLike(landed);
  for (int i = 1; i <= 4; ++i) {
    const std::vector<float> values(landed.size(), static_cast<float>(i));
    beside->WaitFor(*device_);
    beside->CopyFromHost(landed.raw(), values.data(), landed.bytes());
    device_->WaitFor(*beside);
    read.CopyFrom(landed);
    EXPECT_EQ(read.ToVector<float>(), values);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceTrainingTest, ::testing::Values("emulator", "cuda"),
                         [](const auto& info) { return std::string(info.param); });

TEST(CapturedStepTest, OnTheCpuAReplayIsAnotherRun) { ExpectTheSameBits(Stream::Cpu(), autograd::kFloat32); }

}  // namespace
