// A step of the latent policy's objective on a CUDA device, emulated and, where there is one, real, beside the CPU:
// features, draws, rewards, reference, losses and gradients stay on the device and come to the same numbers.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/autograd.h"
#include "autograd/collective/collective.h"
#include "autograd/testing/cuda_device.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/tolerance.h"
#include "experiments/latent/objective.h"
#include "nn/nn.h"
#include "seg/seg.h"

namespace experiments::latent {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Stream;
using autograd::Variable;

constexpr int64_t kImages = 2, kSide = 32, kClasses = 3;

struct Results {
  double loss = 0;
  NamedValues report;
  std::vector<std::vector<float>> gradients;
  std::vector<float> reference;
};

Results Step(Stream& stream, seg::Modulation modulation, seg::LatentDraw draw) {
  const autograd::StreamScope scope(stream);
  LatentOptions options;
  options.latent.config.modulation.kind = modulation;
  options.latent.config.modulation.heads = 2;
  options.latent.config.policy.blocks = 2;
  options.latent.config.policy.pool_height = options.latent.config.policy.pool_width = 2;
  options.latent.config.draw = draw;
  options.draws = 2;
  options.probe_every = 0;
  seg::FcnConfig config = seg::ConfigureFcn("micro", kClasses).value();
  config.encoder.widths = {2, 2, 2, 4};
  config.encoder.stem_width = 4;
  config.head.width = 8;
  config.head.dropout = 0;
  using Model = seg::Latent<seg::Fcn>;
  NetworkOf<Model> network(Model({config, options.latent.config}, RandomKey(5)), "tiny");
  LatentObjective objective(options, network);

  data::Batch batch;
  std::vector<float> pixels;
  for (int64_t i = 0; i < kImages * kSide * kSide; ++i) {
    const auto label = static_cast<uint8_t>((i % kSide / 11 + i / kSide / 9) % kClasses);
    batch.labels.push_back(i % 13 == 0 ? uint8_t{255} : label);
    for (int channel = 0; channel < 3; ++channel)
      pixels.push_back(2 * autograd::UniformFloat(autograd::Philox(RandomKey(9), pixels.size()).x) - 1 +
                       (label == channel ? 1.0f : 0.0f));
  }
  const Array images = Array::From({kImages, kSide, kSide, 3}, pixels),
              labels = Array::From({kImages, kSide, kSide}, batch.labels);
  autograd::OneRank collective;
  const StepView view{.step = 0,
                      .total_steps = 10,
                      .update = 0,
                      .batch = batch,
                      .images = images,
                      .labels = labels,
                      .context = nn::Context::Training(RandomKey(1)),
                      .key = RandomKey(77),
                      .collective = collective};
  Results results;
  autograd::Tape tape;
  const absl::StatusOr<StepResult> step = objective.Loss(view);
  EXPECT_TRUE(step.ok()) << step.status();
  results.loss = step->loss.Item();
  tape.Backward(step->loss);
  results.report = step->report();
  for (const nn::NamedParameter& named : nn::NamedParameters(network.module())) {
    if (named.parameter->has_gradient()) results.gradients.push_back(named.parameter->gradient().ToVector<float>());
  }
  objective.Updated(Array::Full({1}, autograd::kFloat64, 1));
  for (const nn::NamedBuffer& buffer : nn::NamedBuffers(objective)) {
    if (buffer.name == "reference.mean.bias") results.reference = buffer.array->ToVector<float>();
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

class LatentOnADevice : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string name = GetParam();
    if (name == "emulator") {
      device_ = cuda_emulator::OpenEmulatedStream();
      return;
    }
    autograd::testing::OpenCudaOrSkip(name, device_);
  }

  std::unique_ptr<Stream> device_;
};

TEST_P(LatentOnADevice, AgreesWithTheCpu) {
  for (const auto& [modulation, draw] : {std::pair(seg::Modulation::kAttention, seg::LatentDraw::kPosition),
                                         std::pair(seg::Modulation::kMultiplication, seg::LatentDraw::kChannel)}) {
    const Results measured = Step(*device_, modulation, draw), expected = Step(Stream::Cpu(), modulation, draw);
    // No sum has more terms than there are pixels.
    const double rounding = 2 * autograd::testing::RoundingOfSum(autograd::kFloat32, kImages * kSide * kSide);
    EXPECT_NEAR(measured.loss, expected.loss, rounding * std::abs(expected.loss));
    ASSERT_EQ(measured.gradients.size(), expected.gradients.size());
    // A ReLU's input may lie within rounding of zero, where gradients jump: one of the 2·4·4·8 units of the smallest
    // layer changes those before it by 1/√256 of their size.
    EXPECT_LE(Apart(measured, expected), 1 / std::sqrt(256.0));
    EXPECT_EQ(measured.reference, expected.reference);
    ASSERT_EQ(measured.report.size(), expected.report.size());
    for (size_t i = 0; i < expected.report.size(); ++i) {
      EXPECT_EQ(measured.report[i].first, expected.report[i].first);
      // A prediction within rounding of two classes may fall either way: a pixel of those of an image.
      EXPECT_NEAR(measured.report[i].second, expected.report[i].second,
                  (rounding + 4.0 / (kSide * kSide)) * (1 + std::abs(expected.report[i].second)))
          << expected.report[i].first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, LatentOnADevice, ::testing::Values("emulator", "cuda"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace experiments::latent
