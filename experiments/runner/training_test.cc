// The loop itself, with a network of one linear map: what end-to-end tests (tests/end_to_end) cannot see from outside a program.

#include "experiments/runner/training.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/autograd.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "data/scenes/scene_dataset.h"
#include "nn/nn.h"

namespace experiments {
namespace {

using autograd::Array;
using autograd::Stream;
using autograd::Variable;

constexpr int kClasses = 6;
constexpr int64_t kSteps = 9;

struct PixelModel {
  nn::Linear classifier{3, kClasses, {}, autograd::RandomKey(7)};

  Variable operator()(const Variable& images, const nn::Context&) { return classifier(images); }
  void Fields(nn::FieldVisitor& visitor) { visitor.Field("classifier", classifier); }
};

using PixelSegmenter = SegmenterOf<PixelModel>;

std::unique_ptr<data::Dataset> Scenes(const std::string& split) {
  data::SceneOptions options;
  options.training_size = 12;
  options.validation_size = 4;
  options.height = options.width = 32;
  return *data::SceneDataset::Create(split, options);
}

struct Trained {
  absl::Status status;
  std::vector<std::vector<float>> weights;
  TrainingResult result;
};

Trained TrainPixels(const std::string& name, const Objective& objective, bool capture) {
  PixelModel model;
  PixelSegmenter segmenter(std::move(model), 1, kClasses, "classifier", "pixels", [](const std::string&, PixelModel&) {
    return absl::NotFoundError("it has no public weights");
  });
  TrainingOptions options;
  options.label = name;
  options.directory = (std::filesystem::path(::testing::TempDir()) / name).string();
  std::filesystem::remove_all(options.directory);
  options.steps = kSteps;
  options.batch_size = 2;
  options.crop_height = options.crop_width = 32;
  options.warm_up_steps = 2;
  options.log_every = 2;
  options.evaluate_every = 4;
  options.capture = capture;
  const auto training = Scenes("train"), validation = Scenes("val");
  autograd::OneRank alone;
  const InterruptHandler interrupt;
  Trained trained;
  absl::StatusOr<TrainingResult> result =
      Train(options, segmenter, *training, *validation, objective, alone, interrupt);
  trained.status = result.status();
  if (result.ok()) trained.result = *std::move(result);
  for (const nn::NamedParameter& named : nn::NamedParameters(segmenter.module()))
    trained.weights.push_back(named.parameter->value().ToVector<float>());
  return trained;
}

// Labels, and in the second phase the size of the logits as well. Counts its calls.
Objective TwoPhases(int& calls, const std::function<int64_t(int64_t, int64_t)>& phase) {
  return {[&calls, phase](const Variable& logits, const StepView& view) -> absl::StatusOr<StepResult> {
            ++calls;
            Variable loss = autograd::CrossEntropy(logits, view.labels);
            if (phase(view.step, view.total_steps) != 0) loss = loss + autograd::Mean(autograd::Square(logits)) * 0.5;
            return StepResult{loss, nullptr};
          },
          true, phase};
}

int64_t LateSteps(int64_t step, int64_t total_steps) { return 2 * step >= total_steps ? 1 : 0; }

void ExpectOneRecordingAPhase(Stream& stream, int expected_calls) {
  autograd::StreamScope scope(stream);
  int eager_calls = 0, calls = 0, blind_calls = 0;
  const Trained eager = TrainPixels("eager", TwoPhases(eager_calls, LateSteps), false),
                replayed = TrainPixels("replayed", TwoPhases(calls, LateSteps), true);
  ASSERT_TRUE(eager.status.ok() && replayed.status.ok()) << eager.status.message() << replayed.status.message();
  EXPECT_EQ(replayed.weights, eager.weights);
  EXPECT_EQ(eager_calls, kSteps);
  EXPECT_EQ(calls, expected_calls);
  ASSERT_EQ(replayed.result.curves.loss.size(), eager.result.curves.loss.size());
  for (size_t i = 0; i < eager.result.curves.loss.size(); ++i)
    EXPECT_EQ(replayed.result.curves.loss[i].value, eager.result.curves.loss[i].value) << i;
  if (expected_calls == kSteps) return;
  // The control: a recording that nobody tells of the second phase goes on with the first.
  Objective blind = TwoPhases(blind_calls, LateSteps);
  blind.phase = nullptr;
  EXPECT_NE(TrainPixels("blind", blind, true).weights, eager.weights);
}

// In each phase one step runs as it is and one is recorded; on the CPU, where a replay is another run, all of them run.
TEST(TrainingTest, ARecordingServesOnePhase) {
  ExpectOneRecordingAPhase(Stream::Cpu(), kSteps);
  const std::unique_ptr<Stream> emulated = cuda_emulator::OpenEmulatedStream();
  ExpectOneRecordingAPhase(*emulated, 4);
}

TEST(TrainingTest, CurvesHaveTheStepsThatWereAskedFor) {
  int calls = 0;
  const Trained trained = TrainPixels("curves", TwoPhases(calls, LateSteps), false);
  ASSERT_TRUE(trained.status.ok()) << trained.status.message();
  const auto steps = [](const std::vector<CurvePoint>& points) {
    std::vector<int64_t> found;
    for (const CurvePoint& point : points) found.push_back(point.step);
    return found;
  };
  EXPECT_EQ(steps(trained.result.curves.loss), (std::vector<int64_t>{2, 4, 6, 8, 9}));
  EXPECT_EQ(steps(trained.result.curves.mean_iou), (std::vector<int64_t>{4, 8, 9}));
  EXPECT_EQ(trained.result.curves.mean_iou.back().value, trained.result.evaluation.mean_iou);
  EXPECT_EQ(trained.result.steps, kSteps);
  EXPECT_FALSE(trained.result.interrupted);
  EXPECT_TRUE(trained.result.traffic.empty());
}

// The step's own optimizer, schedule and clipping, written out.
TEST(TrainingTest, AStepIsTheDefinition) {
  int calls = 0;
  const Trained trained = TrainPixels("definition", TwoPhases(calls, LateSteps), false);
  ASSERT_TRUE(trained.status.ok()) << trained.status.message();

  PixelModel model;
  const TrainingOptions defaults;
  nn::AdamW optimizer(nn::GroupParameters(model, {.weight_decay = defaults.weight_decay}));
  const auto scenes = Scenes("train");
  data::LoaderOptions loading;
  loading.batch_size = 2;
  loading.key = autograd::RandomKey(0).Split("training").Split("data");
  loading.shuffle = true;
  loading.height = loading.width = 32;
  const auto loader = *data::Loader::Create(scenes.get(), {}, loading);
  for (int64_t step = 0; step < kSteps; ++step) {
    const data::Batch batch = *loader->Next();
    autograd::Tape tape;
    const Variable logits = model.classifier(Variable(Array::From<float>({2, 32, 32, 3}, batch.images)));
    Variable loss = autograd::CrossEntropy(logits, Array::From<uint8_t>({2, 32, 32}, batch.labels));
    if (LateSteps(step, kSteps) != 0) loss = loss + autograd::Mean(autograd::Square(logits)) * 0.5;
    tape.Backward(loss);
    nn::ClipGradientNorm(optimizer.parameters(), 1);
    const double decayed = 1e-3 * std::pow(1 - static_cast<double>(step) / kSteps, 0.9);
    optimizer.Step(step < 2 ? decayed * (1 - (1 - static_cast<double>(step) / 2) * (1 - 0.01)) : decayed);
    optimizer.ClearGradients();
  }
  size_t i = 0;
  for (const nn::NamedParameter& named : nn::NamedParameters(model)) {
    const std::vector<float> expected = named.parameter->value().ToVector<float>();
    for (size_t j = 0; j < expected.size(); ++j) EXPECT_NEAR(trained.weights[i][j], expected[j], 1e-6) << named.name;
    ++i;
  }
}

TEST(TrainingTest, WhatCannotBeRecordedIsRefused) {
  int calls = 0;
  Objective objective = TwoPhases(calls, LateSteps);
  objective.recordable = false;
  const absl::Status status = TrainPixels("refused", objective, true).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find("--capture"), std::string::npos) << status.message();
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace experiments
