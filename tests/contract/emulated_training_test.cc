// SFPNeXt trained on the emulated CUDA device beside the CPU: what contract rows of single operations cannot show is that the whole
// path, from the images to the updated weights, stays on the device and comes to the same numbers.

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "autograd/autograd.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "nn/nn.h"
#include "seg/seg.h"

namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Stream;
using autograd::Variable;

constexpr int64_t kImages = 2, kSize = 32, kClasses = 5;
constexpr int kSteps = 2;

struct Trained {
  std::vector<double> losses;
  std::vector<std::vector<float>> weights;
};

Trained Train(Stream& stream, autograd::DType compute) {
  autograd::StreamScope scope(stream);
  seg::SFPNeXtConfig config = *seg::ConfigureSFPNeXt("micro", kClasses);
  config.compute = compute;
  seg::SFPNeXt model(config, RandomKey(1));
  nn::AdamW optimizer(nn::GroupParameters(model, {.weight_decay = 0.05}));
  nn::MovingAverage average(model, 0.9);

  std::vector<float> pixels(kImages * kSize * kSize * 3);
  std::vector<uint8_t> labels(kImages * kSize * kSize);
  for (size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = 2 * autograd::UniformFloat(autograd::Philox(RandomKey(2), i).x) - 1;
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = i % 11 == 0 ? 255 : static_cast<uint8_t>(i / 3 % kClasses);
  const Variable images(Array::From<float>({kImages, kSize, kSize, 3}, pixels));
  const Array truth = Array::From<uint8_t>({kImages, kSize, kSize}, labels);

  Trained trained;
  for (int step = 0; step < kSteps; ++step) {
    autograd::Tape tape;
    const Variable logits = model(images, nn::Context::Training(RandomKey(3).Split(static_cast<uint64_t>(step))));
    const Variable loss = seg::SegmentationLoss(logits, truth);
    trained.losses.push_back(loss.Item());
    tape.Backward(loss);
    nn::ClipGradientNorm(optimizer.parameters(), 1.0);
    optimizer.Step(1e-3);
    optimizer.ClearGradients();
    average.Update();
  }
  for (const nn::NamedParameter& named : nn::NamedParameters(model))
    trained.weights.push_back(named.parameter->value().ToVector<float>());
  for (const nn::NamedBuffer& named : nn::NamedBuffers(model)) {
    if (named.array->dtype() == autograd::kFloat32) trained.weights.push_back(named.array->ToVector<float>());
  }
  return trained;
}

void ExpectAlike(autograd::DType compute, double loss_tolerance, double weight_tolerance) {
  const std::unique_ptr<Stream> device = cuda_emulator::OpenEmulatedStream();
  const Trained measured = Train(*device, compute), expected = Train(Stream::Cpu(), compute);
  for (int step = 0; step < kSteps; ++step)
    EXPECT_NEAR(measured.losses[step], expected.losses[step], loss_tolerance) << "step " << step;
  EXPECT_NE(measured.losses[0], measured.losses[1]);
  ASSERT_EQ(measured.weights.size(), expected.weights.size());
  for (size_t i = 0; i < expected.weights.size(); ++i) {
    double square = 0, size = 1e-12;
    for (size_t k = 0; k < expected.weights[i].size(); ++k) {
      square += std::pow(measured.weights[i][k] - expected.weights[i][k], 2);
      size += std::pow(expected.weights[i][k], 2);
    }
    // AdamW's first steps move a weight by the rate whatever the gradient's size, so weights whose gradient is rounding alone may differ by
    // that; as a whole a tensor agrees.
    EXPECT_LE(std::sqrt(square), weight_tolerance * std::sqrt(size) + 2e-3 * std::sqrt(expected.weights[i].size()))
        << "tensor " << i;
  }
}

TEST(EmulatedTrainingTest, Float32ComesToTheCpusNumbers) { ExpectAlike(autograd::kFloat32, 1e-4, 1e-3); }
TEST(EmulatedTrainingTest, BFloat16ComesToTheCpusNumbers) { ExpectAlike(autograd::kBFloat16, 3e-2, 1e-2); }

}  // namespace
