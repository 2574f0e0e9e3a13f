#include "experiments/continual/distillation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/autograd.h"
#include "autograd/collective/collective.h"
#include "data/data.h"
#include "experiments/continual/growth.h"
#include "experiments/runner/interrupt.h"
#include "experiments/runner/networks.h"
#include "nn/nn.h"
#include "seg/seg.h"

namespace experiments::continual {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;

constexpr int kOld = 4, kNew = 6, kSide = 32, kImages = 4;

// A network of four classes, one of six that has just grown out of it, and a batch whose labels show classes 4 and 5.
struct Problem {
  explicit Problem(const std::string& name = "deeplabv3_micro")
      : old(*MakeNetwork(name, kOld, RandomKey(1))), network(*MakeNetwork(name, kNew, RandomKey(2))) {
    EXPECT_TRUE(GrowFrom(*old, *network).ok());
    data::SceneOptions scenes;
    scenes.class_count = kNew;
    scenes.height = scenes.width = kSide;
    scenes.training_size = kImages;
    data.training = *data::SceneDataset::Create("train", scenes);
    data.validation = *data::SceneDataset::Create("val", scenes);
    data.crop_height = data.crop_width = kSide;
    options.training.batch_size = kImages;
    for (int64_t i = 0; i < kImages; ++i) {
      const data::Sample sample = *data.training->Load(i);
      for (size_t p = 0; p < sample.label.values.size(); ++p) {
        for (int c = 0; c < 3; ++c)
          pixels.push_back(static_cast<float>(sample.image.pixels[3 * p + static_cast<size_t>(c)]) / 64 - 2);
        batch.labels.push_back(sample.label.values[p] < kOld ? 0 : sample.label.values[p]);
      }
    }
    batch.size = kImages;
    images = Array::From({kImages, kSide, kSide, 3}, pixels);
    labels = Array::From({kImages, kSide, kSide}, batch.labels);
  }
  StepView View() const {
    return {.step = 0,
            .total_steps = 1,
            .update = 0,
            .batch = batch,
            .images = images,
            .labels = labels,
            .context = nn::Context(),
            .key = RandomKey(3),
            .collective = collective};
  }
  std::unique_ptr<Network> Copied(const Network& network) const {
    std::unique_ptr<Network> twin = network.Twin();
    nn::CopyState(const_cast<Network&>(network).module(), twin->module());
    return twin;
  }
  PlopSupervision Plop() { return {options, *network, Copied(*old), data, context}; }

  std::unique_ptr<Network> old, network;
  OpenedData data;
  ContinualOptions options;
  std::vector<float> pixels;
  data::Batch batch;
  Array images, labels;
  mutable autograd::OneRank collective;
  InterruptHandler interrupt;
  RunContext context{collective, interrupt};
};

// Labels and loss are those of the old network's entropies and of thresholds measured on the same images, whatever
// their order; new classes keep their labels.
TEST(PlopSupervision, TeachesWhatTheOldNetworkIsSureOf) {
  for (const seg::EntropyReading reading : {seg::EntropyReading::kPaper, seg::EntropyReading::kReleasedCode}) {
    Problem problem;
    problem.options.entropy = reading;
    PlopSupervision plop = problem.Plop();
    ASSERT_TRUE(plop.Begin(problem.View()).ok());
    const std::vector<uint8_t> made = plop.labels().ToVector<uint8_t>();

    const Variable logits = autograd::ResizeBilinear(problem.old->Logits(Variable(problem.images), {}), kSide, kSide);
    const seg::PixelEntropies pixels = seg::EntropyOf(logits.array(), reading, kNew);
    seg::EntropyThresholds thresholds(kOld, reading);
    // The loader normalises the scenes' own pixels, and the threshold is measured on those.
    data::LoaderOptions loading{.batch_size = kImages};
    const std::unique_ptr<data::Loader> loader = *data::Loader::Create(problem.data.training.get(), {}, loading);
    const data::Batch all = *loader->Next();
    const Array images = Array::From({kImages, kSide, kSide, 3}, all.images);
    const Variable theirs = autograd::ResizeBilinear(problem.old->Logits(Variable(images), {}), kSide, kSide);
    thresholds.Add(Array::From({kImages, kSide, kSide}, all.labels), seg::EntropyOf(theirs.array(), reading, kNew));
    const seg::PseudoLabels expected = seg::PseudoLabel(problem.labels, pixels, thresholds.Finish());
    EXPECT_EQ(made, expected.labels.ToVector<uint8_t>());
    int kept = 0;
    for (size_t i = 0; i < made.size(); ++i) {
      if (problem.batch.labels[i] == 0) continue;
      EXPECT_EQ(made[i], problem.batch.labels[i]);
      ++kept;
    }
    EXPECT_GT(kept, 0);

    const Variable own = problem.network->Logits(Variable(problem.images), {});
    EXPECT_NEAR(plop.Loss(own).array().Item(), seg::PlopLoss(own, expected.labels, expected.factor).array().Item(),
                1e-6);
  }
}

// The features of a network that has just grown are the old one's, so that logits alone can be apart.
TEST(PlopSupervision, DistilsNothingFromANetworkThatHasJustGrown) {
  for (const std::string name : {"deeplabv3_micro", "segformer_micro"}) {
    Problem problem(name);
    problem.options.logit_weight = 0;
    PlopSupervision plop = problem.Plop();
    ASSERT_TRUE(plop.Begin(problem.View()).ok());
    const auto distance = [&] {
      const seg::Features features = problem.network->Encode(Variable(problem.images), {});
      return plop.Distillation(features, problem.network->Decode(features, {})).array().Item();
    };
    EXPECT_EQ(distance(), 0) << name;
    for (const nn::NamedParameter& named : nn::NamedParameters(problem.network->module()))
      named.parameter->Set(autograd::Scale(Variable(named.parameter->value()), 1.1).array());
    ASSERT_TRUE(plop.Begin(problem.View()).ok());
    EXPECT_GT(distance(), 0) << name;
  }
}

TEST(PlopSupervision, WithoutItsPartsItIsCrossEntropyOverAllPixels) {
  Problem problem;
  problem.options.pseudo_labels = false;
  PlopSupervision plop = problem.Plop();
  ASSERT_TRUE(plop.Begin(problem.View()).ok());
  EXPECT_EQ(plop.labels().ToVector<uint8_t>(), problem.batch.labels);
  const Variable logits = problem.network->Logits(Variable(problem.images), {});
  EXPECT_NEAR(plop.Loss(logits).array().Item(), seg::SegmentationLoss(logits, problem.labels).array().Item(), 1e-5);
}

// Thresholds that were restored are not measured again.
TEST(PlopSupervision, ThresholdsAreState) {
  Problem problem;
  PlopSupervision measured = problem.Plop();
  ASSERT_TRUE(measured.Begin(problem.View()).ok());
  const std::vector<uint8_t> labels = measured.labels().ToVector<uint8_t>();
  problem.data.training = nullptr;
  PlopSupervision restored = problem.Plop();
  const nn::ModuleReference from(measured), to(restored);
  nn::CopyState(from, to);
  ASSERT_TRUE(restored.Begin(problem.View()).ok());
  EXPECT_EQ(restored.labels().ToVector<uint8_t>(), labels);
}

TEST(MibSupervision, IsItsTwoLosses) {
  Problem problem;
  MibSupervision mib(problem.options, problem.Copied(*problem.old));
  ASSERT_TRUE(mib.Begin(problem.View()).ok());
  const seg::Features features = problem.network->Encode(Variable(problem.images), {});
  const Variable logits = problem.network->Decode(features, {});
  const Array old = problem.old->Logits(Variable(problem.images), {}).array();
  EXPECT_NEAR(mib.Loss(logits).array().Item(), seg::UnbiasedCrossEntropy(logits, problem.labels, kOld).array().Item(),
              1e-6);
  EXPECT_NEAR(mib.Distillation(features, logits).array().Item(),
              problem.options.distillation_weight * seg::UnbiasedDistillation(logits, old, kSide, kSide).array().Item(),
              1e-5);
}

}  // namespace
}  // namespace experiments::continual
