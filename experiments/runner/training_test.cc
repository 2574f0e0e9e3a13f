// The loop itself, with a network of one linear map: what end-to-end tests (tests/end_to_end) cannot see from outside a
// program.

#include "experiments/runner/training.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/autograd.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "data/scenes/scene_dataset.h"
#include "experiments/runner/gradient_learner.h"
#include "nn/nn.h"

namespace experiments {
namespace {

using autograd::Array;
using autograd::Stream;
using autograd::Variable;

constexpr int kClasses = 6;
constexpr int64_t kSteps = 9;

struct PixelConfig {
  int64_t extra_latent_channels = 0;  // which make it Extensible
};

struct PixelModel {
  explicit PixelModel(const PixelConfig& = {}, autograd::RandomKey key = autograd::RandomKey(7))
      : classifier(3, kClasses, {}, key) {}

  seg::Features Encode(const Variable& images, const nn::Context&) { return {images}; }
  Variable Decode(const seg::Features& features, const nn::Context&) { return classifier(features[0]); }
  Variable operator()(const Variable& images, const nn::Context&) { return classifier(images); }
  void Fields(nn::FieldVisitor& visitor) { visitor.Field("classifier", classifier); }
  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string&) {
    return absl::NotFoundError("it has no public weights");
  }
  int64_t classes() const { return kClasses; }
  int64_t size_multiple() const { return 1; }
  size_t latent_tap() const { return 0; }
  static int64_t LatentChannels(const PixelConfig&) { return 3; }
  std::string last_layer() const { return "classifier"; }
  std::optional<seg::NormExtent> SmallestNorm(int64_t, int64_t) const { return std::nullopt; }

  PixelConfig config;
  nn::Linear classifier;
};

using PixelNetwork = NetworkOf<PixelModel>;

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
  RunRecord record;
};

// Labels, and in the second phase the size of the logits as well. Counts its calls.
class TwoPhases : public Objective {
 public:
  TwoPhases(int& calls, std::function<int64_t(int64_t, int64_t)> phase, bool tells_phase = true, bool recordable = true)
      : calls_(calls), phase_(std::move(phase)), tells_phase_(tells_phase), recordable_(recordable) {}

  void Use(Network& network) { network_ = &network; }
  nn::ModuleReference module() override { return network_->module(); }
  absl::StatusOr<StepResult> Loss(const StepView& view) override {
    ++calls_;
    const Variable logits = network_->Logits(Variable(view.images), view.context);
    Variable loss = autograd::CrossEntropy(logits, view.labels);
    if (phase_(view.step, view.total_steps) != 0) loss = loss + autograd::Mean(autograd::Square(logits)) * 0.5;
    return StepResult{loss, nullptr};
  }
  bool recordable() const override { return recordable_; }
  int64_t Phase(int64_t step, int64_t total_steps) const override {
    return tells_phase_ ? phase_(step, total_steps) : 0;
  }

 private:
  int& calls_;
  const std::function<int64_t(int64_t, int64_t)> phase_;
  const bool tells_phase_, recordable_;
  Network* network_ = nullptr;
};

// The interrupt handler blocks signals for every thread of the process, so that there is one.
const InterruptHandler& Interrupt() {
  static const auto* interrupt = new InterruptHandler();
  return *interrupt;
}

std::string FolderOf(const std::string& name) { return (std::filesystem::path(::testing::TempDir()) / name).string(); }

Trained TrainPixels(const std::string& name, TwoPhases objective, bool capture, bool resume = false) {
  PixelNetwork network(PixelModel(), "pixels");
  objective.Use(network);
  autograd::OneRank alone;
  RunContext context(alone, Interrupt());
  context.label = name;
  context.folder = FolderOf(name);
  context.key = autograd::RandomKey(0);
  context.resume = resume;
  if (!resume) std::filesystem::remove_all(context.folder);
  TrainingOptions options;
  options.steps = kSteps;
  options.batch_size = 2;
  options.log_every = 2;
  options.evaluate_every = 4;
  options.checkpoint_every = 8;
  GradientOptions gradient;
  gradient.warm_up_steps = 2;
  gradient.capture = capture;
  OpenedData data;
  data.training = Scenes("train");
  data.validation = Scenes("val");
  data.crop_height = data.crop_width = 32;
  Trained trained;
  const absl::StatusOr<std::unique_ptr<GradientLearner>> learner =
      GradientLearner::Create(options, gradient, objective, data, context);
  trained.status = learner.status();
  if (!learner.ok()) return trained;
  NetworkDescription description;
  description.model = "pixels";
  description.info = data.validation->info();
  absl::StatusOr<RunRecord> record = Train(options, **learner, network, data, description, context);
  trained.status = record.status();
  if (record.ok()) trained.record = *std::move(record);
  for (const nn::NamedParameter& named : nn::NamedParameters(network.module()))
    trained.weights.push_back(named.parameter->value().ToVector<float>());
  return trained;
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
  const std::vector<CurvePoint>&replayed_loss = FindCurve(replayed.record.curves.training, "loss")->points,
        &eager_loss = FindCurve(eager.record.curves.training, "loss")->points;
  ASSERT_EQ(replayed_loss.size(), eager_loss.size());
  for (size_t i = 0; i < eager_loss.size(); ++i) EXPECT_EQ(replayed_loss[i].value, eager_loss[i].value) << i;
  if (expected_calls == kSteps) return;
  // The control: a recording that nobody tells of the second phase goes on with the first.
  EXPECT_NE(TrainPixels("blind", TwoPhases(blind_calls, LateSteps, /*tells_phase=*/false), true).weights,
            eager.weights);
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
  const auto steps = [](const Curve* curve) {
    std::vector<int64_t> found;
    for (const CurvePoint& point : curve->points) found.push_back(point.step);
    return found;
  };
  EXPECT_EQ(steps(FindCurve(trained.record.curves.training, "loss")), (std::vector<int64_t>{2, 4, 6, 8, 9}));
  const Curve* validation = FindCurve(trained.record.curves.validation, "mIoU");
  EXPECT_EQ(steps(validation), (std::vector<int64_t>{4, 8, 9}));
  EXPECT_EQ(validation->points.back().value, FindScore(trained.record.scores, "mIoU")->value);
  EXPECT_EQ(trained.record.steps, kSteps);
  EXPECT_FALSE(trained.record.interrupted);
  EXPECT_TRUE(trained.record.traffic.empty());
}

// Killed between the checkpoint of step 8 and the end of its evaluation, the log ends with the step, or in the middle
// of the row of the scores. It ends as if nothing had been, also where the kill came just behind the evaluation.
TEST(TrainingTest, TheEvaluationThatAKillCostIsMadeAgain) {
  int calls = 0;
  const Trained whole = TrainPixels("killed", TwoPhases(calls, LateSteps), false);
  ASSERT_TRUE(whole.status.ok()) << whole.status.message();
  const std::string path = FolderOf("killed") + "/log.csv";
  std::string log;
  {
    std::ifstream file(path);
    log.assign(std::istreambuf_iterator<char>(file), {});
  }
  const size_t step = log.find("\n8,") + 1, scores = log.find('\n', step) + 1, after = log.find('\n', scores) + 1;
  ASSERT_EQ(log.substr(scores, 2), "8,");
  for (const size_t end : {scores, scores + 6, after - 1, after}) {
    SCOPED_TRACE(log.substr(step, end - step));
    std::ofstream(path) << log.substr(0, end);
    std::filesystem::remove(FolderOf("killed") + "/checkpoints/step_000000009.safetensors");
    const Trained resumed = TrainPixels("killed", TwoPhases(calls, LateSteps), false, /*resume=*/true);
    ASSERT_TRUE(resumed.status.ok()) << resumed.status.message();
    EXPECT_EQ(resumed.weights, whole.weights);
    std::ifstream file(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), log);
  }
}

// The step's own optimizer, schedule and clipping, written out.
TEST(TrainingTest, AStepIsTheDefinition) {
  int calls = 0;
  const Trained trained = TrainPixels("definition", TwoPhases(calls, LateSteps), false);
  ASSERT_TRUE(trained.status.ok()) << trained.status.message();

  PixelModel model;
  const GradientOptions defaults;
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
    EXPECT_EQ(trained.weights[i], expected) << named.name;  // the same operations in the same order
    ++i;
  }
}

TEST(TrainingTest, WhatCannotBeRecordedIsRefused) {
  int calls = 0;
  const absl::Status status =
      TrainPixels("refused", TwoPhases(calls, LateSteps, /*tells_phase=*/true, /*recordable=*/false), true).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find("--capture"), std::string::npos) << status.message();
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace experiments
