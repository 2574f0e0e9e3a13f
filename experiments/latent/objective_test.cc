// The objective of a latent policy on a small network, against what its equations say of the same draws.

#include "experiments/latent/objective.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/autograd.h"
#include "autograd/collective/collective.h"
#include "nn/nn.h"
#include "rl/rl.h"
#include "seg/seg.h"

namespace experiments::latent {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Tape;
using autograd::Variable;

constexpr int kSide = 32, kImages = 3, kClasses = 4;
constexpr uint8_t kVoid = 255;

std::unique_ptr<Network> TinyNetwork(const seg::LatentConfig& latent) {
  seg::FcnConfig config = seg::ConfigureFcn("micro", kClasses).value();
  config.encoder.widths = {2, 2, 2, 4};
  config.encoder.stem_width = 4;
  config.head.width = 8;
  config.head.dropout = 0;
  using Model = seg::Latent<seg::Fcn>;
  return std::make_unique<NetworkOf<Model>>(Model({config, latent}, RandomKey(5)), "tiny");
}

struct Problem {
  explicit Problem(const LatentOptions& given) : options(given), network(TinyNetwork(given.latent.config)) {
    batch.size = kImages;
    batch.height = batch.width = kSide;
    std::vector<float> pixels;
    for (int i = 0; i < kImages * kSide * kSide; ++i) {
      const int column = i % kSide, row = i / kSide % kSide;
      const int label = (column / 16 + 2 * (row / 16) + i / (kSide * kSide)) % kClasses;
      batch.labels.push_back(i % 11 == 0 ? kVoid : static_cast<uint8_t>(label));
      for (int channel = 0; channel < 3; ++channel)
        pixels.push_back(2 * autograd::UniformFloat(autograd::Philox(RandomKey(9), pixels.size()).x) - 1 +
                         (label == channel ? 1.0f : 0.0f));
    }
    images = Array::From({kImages, kSide, kSide, 3}, pixels);
    labels = Array::From({kImages, kSide, kSide}, batch.labels);
  }

  StepView View(int64_t step = 0) const {
    return {.step = step,
            .total_steps = 100,
            .update = 0,
            .batch = batch,
            .images = images,
            .labels = labels,
            .context = nn::Context::Training(RandomKey(1)),
            .key = RandomKey(77).Split(static_cast<uint64_t>(step)),
            .collective = collective};
  }

  std::map<std::string, std::vector<float>> Gradients() {
    std::map<std::string, std::vector<float>> gradients;
    for (const nn::NamedParameter& named : nn::NamedParameters(network->module())) {
      if (named.parameter->has_gradient()) gradients[named.name] = named.parameter->gradient().ToVector<float>();
    }
    return gradients;
  }

  LatentOptions options;
  std::unique_ptr<Network> network;
  data::Batch batch;
  Array images, labels;
  mutable autograd::OneRank collective;
};

LatentOptions Small() {
  LatentOptions options;
  options.latent.config.modulation.heads = 2;
  options.latent.config.policy.blocks = 2;
  options.latent.config.policy.pool_height = options.latent.config.policy.pool_width = 2;
  options.probe_every = 0;
  return options;
}

double Reported(const StepResult& result, const std::string& name) {
  for (const auto& [key, value] : result.report()) {
    if (key == name) return value;
  }
  ADD_FAILURE() << "nothing is reported as " << name;
  return 0;
}

bool Starts(const std::string& name, const std::string& prefix) { return name.compare(0, prefix.size(), prefix) == 0; }
bool IsZero(const std::vector<float>& x) {
  return std::all_of(x.begin(), x.end(), [](float value) { return value == 0; });
}

// ∂L_P/∂(bias of μ) = −1/b Σ_i A_i·mean over positions and channels of (s − μ)/σ², as ρ = 1 at the first step.
TEST(LatentObjectiveTest, ThePolicysGradientIsTheScoreFunctions) {
  for (const seg::LatentDraw draw : {seg::LatentDraw::kPosition, seg::LatentDraw::kChannel}) {
    LatentOptions options = Small();
    options.latent.config.draw = draw;
    options.segmentation_weight = options.divergence_weight = 0;
    options.baseline = rl::Baseline::kZero;
    options.advantage_high = 100;
    Problem problem(options);
    LatentObjective objective(options, *problem.network);
    seg::LatentHead& head = *problem.network->latent();

    // The same draws and their rewards, straight from the definitions.
    const StepView view = problem.View();
    const seg::Features features = problem.network->Encode(Variable(problem.images), view.context);
    const Variable z(features[head.tap].array());
    const seg::LatentDistribution pi = head.policy(z, view.context.Split("latent_policy"));
    const rl::DiagonalGaussian gaussian(pi.mean, pi.log_deviation, head.DrawPositions(z));
    const Array s = gaussian.Sample(view.key.Split("signal").Split(uint64_t{0}));
    const Variable logits = problem.network->Decode(head.Modulated(features, Variable(s), view.context), view.context);
    const std::vector<float> rewards =
        ScoreImages(logits.array(), problem.labels, options.reward, options.boundary_tolerance).total.ToVector<float>();
    const std::vector<float> draws = s.ToVector<float>(), mean = pi.mean.array().ToVector<float>(),
                             log_deviation = pi.log_deviation.array().ToVector<float>();
    const auto d = static_cast<size_t>(head.channels);
    const size_t of_an_image = draws.size() / kImages;
    std::vector<double> expected(d);
    for (size_t i = 0; i < draws.size(); ++i) {
      const size_t image = i / of_an_image, channel = i % d, at = image * d + channel;
      expected[channel] -= rewards[image] * (draws[i] - mean[at]) * std::exp(-2.0 * log_deviation[at]) /
                           static_cast<double>(of_an_image) / kImages;
    }

    Tape tape;
    const absl::StatusOr<StepResult> result = objective.Loss(problem.View());
    ASSERT_TRUE(result.ok()) << result.status();
    tape.Backward(result->loss);
    const std::map<std::string, std::vector<float>> gradients = problem.Gradients();
    const std::vector<float>& bias = gradients.at("latent_policy.mean.bias");
    double largest = 0;
    for (const double value : expected) largest = std::max(largest, std::abs(value));
    for (size_t channel = 0; channel < d; ++channel)
      EXPECT_NEAR(bias[channel], expected[channel], 1e-4 * largest) << channel;
    EXPECT_EQ(Reported(*result, "ratio_low"), 1);
    EXPECT_EQ(Reported(*result, "ratio_high"), 1);
    EXPECT_EQ(Reported(*result, "kl"), 0);
  }
}

// Why reward alone cannot teach a network that has not learned: nothing but the policy moves.
TEST(LatentObjectiveTest, RewardAloneReachesNothingButThePolicy) {
  LatentOptions options = Small();
  options.segmentation_weight = 0;
  Problem problem(options);
  LatentObjective objective(options, *problem.network);
  Tape tape;
  const absl::StatusOr<StepResult> result = objective.Loss(problem.View());
  ASSERT_TRUE(result.ok());
  tape.Backward(result->loss);
  int moved = 0;
  for (const auto& [name, gradient] : problem.Gradients()) {
    if (Starts(name, "latent_policy."))
      moved += IsZero(gradient) ? 0 : 1;
    else
      EXPECT_TRUE(IsZero(gradient)) << name;
  }
  EXPECT_GT(moved, 0);

  // The paper's reading: the encoder, too, but not the decoder.
  options.stop_latent = false;
  Problem flowing(options);
  LatentObjective other(options, *flowing.network);
  Tape second;
  const absl::StatusOr<StepResult> flows = other.Loss(flowing.View());
  ASSERT_TRUE(flows.ok());
  second.Backward(flows->loss);
  const std::map<std::string, std::vector<float>> gradients = flowing.Gradients();
  EXPECT_FALSE(IsZero(gradients.at("backbone.conv1.weight")));
  for (const auto& [name, gradient] : gradients)
    EXPECT_TRUE(IsZero(gradient) || Starts(name, "backbone.") || Starts(name, "latent_policy.")) << name;
}

TEST(LatentObjectiveTest, WhatReachesThePolicy) {
  struct Case {
    const char* name;
    LatentOptions options;
    bool reached;
  };
  std::vector<Case> cases = {{"pathwise alone", Small(), true},
                             {"frozen", Small(), false},
                             {"constant draws without weights", Small(), false},
                             {"noise", Small(), false},
                             {"nothing", Small(), false}};
  for (Case& one : cases) one.options.policy_weight = one.options.divergence_weight = 0;
  cases[1].options.frozen_policy = true;
  cases[1].options.policy_weight = 1;
  cases[2].options.pathwise = false;
  cases[3].options.source = Source::kNoise;
  cases[4].options.source = Source::kZero;
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    Problem problem(one.options);
    LatentObjective objective(one.options, *problem.network);
    Tape tape;
    const absl::StatusOr<StepResult> result = objective.Loss(problem.View());
    ASSERT_TRUE(result.ok());
    tape.Backward(result->loss);
    bool reached = false, decoder = false;
    for (const auto& [name, gradient] : problem.Gradients()) {
      reached |= Starts(name, "latent_policy.") && !IsZero(gradient);
      decoder |= Starts(name, "classifier.") && !IsZero(gradient);
    }
    EXPECT_EQ(reached, one.reached);
    EXPECT_TRUE(decoder);
  }
}

TEST(LatentObjectiveTest, TheReferenceAndTheBaselineFollow) {
  LatentOptions options = Small();
  options.reference_decay = 0.9;
  options.baseline_decay = 0.75;
  Problem problem(options);
  LatentObjective objective(options, *problem.network);
  seg::LatentHead& head = *problem.network->latent();
  const auto state = [&](const std::string& name) {
    for (const nn::NamedBuffer& buffer : nn::NamedBuffers(objective)) {
      if (buffer.name == name) return *buffer.array;
    }
    ADD_FAILURE() << "no state is called " << name;
    return Array();
  };
  const std::vector<float> before = head.policy.mean.bias.value().ToVector<float>();
  const absl::StatusOr<StepResult> result = objective.Loss(problem.View());
  ASSERT_TRUE(result.ok());
  const double reward = Reported(*result, "reward");
  EXPECT_NEAR(Reported(*result, "baseline"), 0.25 * reward, 1e-6);

  // The optimizer's part.
  std::vector<float> after = before;
  for (float& value : after) value += 1;
  head.policy.mean.bias.mutable_value().CopyFrom(Array::From({head.channels}, after));
  head.policy.mean.bias.Changed();
  objective.Updated(Array::Full({1}, autograd::kFloat64, 0));  // an update that was left out
  EXPECT_EQ(state("baseline.value").ToVector<double>()[0], 0);
  EXPECT_EQ(state("reference.mean.bias").ToVector<float>(), before);
  objective.Updated(Array::Full({1}, autograd::kFloat64, 1));
  EXPECT_NEAR(state("baseline.value").ToVector<double>()[0], 0.25 * reward, 1e-6);
  const std::vector<float> reference = state("reference.mean.bias").ToVector<float>();
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(reference[i], before[i] + 0.1f, 1e-6);

  // Now the policies differ.
  const absl::StatusOr<StepResult> next = objective.Loss(problem.View(1));
  ASSERT_TRUE(next.ok());
  EXPECT_GT(Reported(*next, "kl"), 0);
  EXPECT_NE(Reported(*next, "ratio_low"), Reported(*next, "ratio_high"));
}

TEST(LatentObjectiveTest, BaselinesOfAnImagesOwn) {
  for (const rl::Baseline baseline : {rl::Baseline::kLeaveOneOut, rl::Baseline::kMode}) {
    LatentOptions options = Small();
    options.draws = 3;
    options.baseline = baseline;
    Problem problem(options);
    LatentObjective objective(options, *problem.network);
    Tape tape;
    const absl::StatusOr<StepResult> result = objective.Loss(problem.View());
    ASSERT_TRUE(result.ok()) << result.status();
    tape.Backward(result->loss);
    EXPECT_TRUE(std::isfinite(Reported(*result, "baseline")));
  }
}

// A probe is an onlooker: the same loss, gradients and buffers with and without it.
TEST(LatentObjectiveTest, AProbeChangesNothing) {
  std::vector<std::map<std::string, std::vector<float>>> gradients;
  std::vector<std::vector<std::vector<uint8_t>>> buffers;
  for (const int every : {0, 1}) {
    LatentOptions options = Small();
    options.probe_every = every;
    Problem problem(options);
    LatentObjective objective(options, *problem.network);
    Tape tape;
    const absl::StatusOr<StepResult> result = objective.Loss(problem.View());
    ASSERT_TRUE(result.ok());
    tape.Backward(result->loss);
    gradients.push_back(problem.Gradients());
    std::vector<std::vector<uint8_t>>& bytes = buffers.emplace_back();
    for (const nn::NamedBuffer& buffer : nn::NamedBuffers(problem.network->module())) {
      const Array& array = *buffer.array;
      if (array.dtype() != autograd::kFloat32) continue;
      const std::vector<float> values = array.ToVector<float>();
      const auto* begin = reinterpret_cast<const uint8_t*>(values.data());
      bytes.emplace_back(begin, begin + values.size() * sizeof(float));
    }
    if (every == 1) {
      EXPECT_GE(Reported(*result, "within"), 0);
      EXPECT_LE(Reported(*result, "within"), 1);
      EXPECT_LE(std::abs(Reported(*result, "cosine_policy")), 1 + 1e-9);
      EXPECT_GT(Reported(*result, "norm_ce"), 0);
      EXPECT_GT(Reported(*result, "norm_policy"), 0);
    }
  }
  EXPECT_EQ(gradients[0], gradients[1]);
  EXPECT_EQ(buffers[0], buffers[1]);
}

// With a reward that depends on the action alone, draws are all that varies.
TEST(LatentObjectiveTest, TheProbeSeesVarianceWithinImages) {
  LatentOptions options = Small();
  options.probe_every = 1;
  options.latent.config.modulation.kind = seg::Modulation::kAddition;
  options.latent.config.modulation.initial_scale = 0;  // what is drawn reaches no prediction
  Problem problem(options);
  LatentObjective objective(options, *problem.network);
  const absl::StatusOr<StepResult> result = objective.Loss(problem.View());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(Reported(*result, "within"), 0);
  EXPECT_EQ(Reported(*result, "norm_ce"), 0);
  options.latent.config.modulation.initial_scale = 10;
  Problem strong(options);
  LatentObjective other(options, *strong.network);
  const absl::StatusOr<StepResult> moved = other.Loss(strong.View());
  ASSERT_TRUE(moved.ok());
  EXPECT_GT(Reported(*moved, "within"), 0);
  EXPECT_GT(Reported(*moved, "norm_ce"), 0);
}

}  // namespace
}  // namespace experiments::latent
