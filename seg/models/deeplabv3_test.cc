#include "seg/models/deeplabv3.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "autograd/ops/elementwise.h"
#include "nn/nn.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/resnet_testing.h"
#include "seg/models/testing.h"

namespace seg {
namespace {

using autograd::Array;
using testing::Batch;
using testing::BrightHalves;
using testing::HeadParameters;
using testing::Images;
using testing::kKey;
using testing::SmallDeepLab;

// The packages' totals without the encoder's (23,508,032; v1c 23,527,264).
TEST(DeepLabV3, HeadsHaveThePublicTotals) {
  EXPECT_EQ(HeadParameters<DeepLabHead>(2048, DeepLabHeadConfig()) +
                HeadParameters<FcnHead>(1024, FcnHeadConfig{.width = 256}),
            42004074 - 23508032);
  EXPECT_EQ(HeadParameters<DeepLabHead>(2048, DeepLabHeadConfig::Mmseg()) +
                HeadParameters<FcnHead>(1024, FcnHeadConfig::MmsegAuxiliary()),
            68114570 - 23527264);
}

// Some steps on one batch: the loss, here of both heads, falls to a third of what labels cost that are guessed.
TEST(DeepLabV3, LearnsABatchByHeartWithItsAuxiliaryHead) {
  const Batch batch = BrightHalves(4, 48, kKey);
  for (const uint64_t seed : testing::kFirstWeights) {
    DeepLabV3 network(SmallDeepLab(), RandomKey(seed));
    const std::vector<double> losses = testing::LearnByHeart(network, 160, 0.005, [&](const nn::Context& context) {
      const Features features = network.Encode(batch.images, context);
      return SegmentationLoss(network.Decode(features, context), batch.labels) +
             0.4 * SegmentationLoss(network.Auxiliary(features, context).at(0), batch.labels);
    });
    EXPECT_LT(losses.back(), 1.4 * testing::LossOfTheBestGuess(batch.labels) / 3) << "weights " << seed;
  }
}

TEST(DeepLabV3, WeightsComeBackAndColdStartsLeaveTheClassifier) {
  DeepLabV3Config config = SmallDeepLab();
  DeepLabV3 network(config, kKey), other(config, RandomKey(9));
  const Array images = Images(2, 40, 33);
  network(images, nn::Context::Training(kKey));
  const std::string path = ::testing::TempDir() + "/deeplab.safetensors";
  ASSERT_TRUE(nn::SaveWeights(path, network).ok());
  ASSERT_TRUE(LoadDeepLabV3(path, other).ok());
  EXPECT_EQ(other(images, {}).array().ToVector<float>(), network(images, {}).array().ToVector<float>());

  config.classes = 7;
  DeepLabV3 cold(config, RandomKey(9));
  EXPECT_FALSE(LoadDeepLabV3(path, cold).ok());
  const absl::StatusOr<nn::LoadReport> report = LoadDeepLabV3(path, cold, /*strict=*/false);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->mismatched.size(), 4u);
  for (const std::string& name : report->mismatched) EXPECT_TRUE(absl::StrContains(name, "classifier.4.")) << name;
}

}  // namespace
}  // namespace seg
