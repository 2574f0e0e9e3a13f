// RSS on a CUDA device beside the CPU: the same draws, rewards, advantages and gradients from the same logits. Each
// kernel of it runs in the emulator in the tests beside its source; this is for a machine with a device.

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "autograd/autograd.h"
#include "autograd/collective/collective.h"
#include "autograd/testing/cuda_device.h"
#include "rl/rl.h"
#include "seg/rewards/label_batch.h"

namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Stream;
using autograd::Variable;

constexpr int64_t kImages = 3, kSize = 24, kClasses = 7;

class LabelReward : public rl::Reward, public rl::PixelReward {
 public:
  explicit LabelReward(Array labels) : labels_(std::move(labels), kClasses) {}
  absl::StatusOr<Array> ScoreInPlace(std::span<const int64_t>, const Array& maps, int64_t, int64_t) override {
    return labels_.MeanIou(maps, seg::ClassSet::kUnion);
  }
  absl::StatusOr<rl::PixelScores> Score(std::span<const int64_t>, const Array& actions) override {
    seg::PixelMatches matches = labels_.Match(actions);
    return rl::PixelScores{matches.rewards, matches.valid};
  }

 private:
  seg::LabelBatch labels_;
};

struct Step {
  double loss = 0;
  std::vector<float> gradient;
};

enum class Kind { kPixels, kPairwise, kPosterior };

// The image-level loss at three scales, of counterfactual maps with pair-wise credit or of sharper draws with posterior
// credit; or the pixel-level one.
Step TakeStep(Stream& stream, Kind kind) {
  autograd::StreamScope scope(stream);
  std::vector<float> values(kImages * kSize * kSize * kClasses);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = 3 * autograd::UniformFloat(autograd::Philox(RandomKey(1), i).x) - 1;
  std::vector<uint8_t> classes(kImages * kSize * kSize);
  for (size_t i = 0; i < classes.size(); ++i)
    classes[i] = i % 13 == 0 ? seg::kVoid : static_cast<uint8_t>(i / 5 % kClasses);
  LabelReward reward(Array::From<uint8_t>({kImages, kSize, kSize}, classes));
  const std::vector<int64_t> ids = {0, 1, 2};
  autograd::OneRank collective;
  autograd::Tape tape;
  const Variable logits = tape.Watch(Array::From<float>({kImages, kSize, kSize, kClasses}, values));
  Variable loss;
  if (kind == Kind::kPixels) {
    loss = rl::PixelRewardLoss(logits, ids, reward, {}, RandomKey(2), collective).value().loss;
  } else {
    rl::RssOptions options;
    options.scales = rl::AllAtOnce({8, 4, 1});
    if (kind == Kind::kPairwise) options.counterfactual = {rl::Variation::kCells, 0.5};
    if (kind == Kind::kPosterior) {
      options.credit = rl::Credit::kPosterior;
      options.sharpness = 2;
      options.group_size = 24;
    }
    loss = rl::RssLoss(logits, {ids, kSize, kSize, {}, {}}, reward, options, 0, RandomKey(2), collective).value().loss;
  }
  tape.Backward(loss);
  return {loss.Item(), tape.Gradient(logits).ToVector<float>()};
}

void ExpectTheCpusStep(Kind kind) {
  std::unique_ptr<Stream> device;
  autograd::testing::OpenCudaOrSkip("cuda", device);
  if (device == nullptr) return;
  const Step measured = TakeStep(*device, kind), expected = TakeStep(Stream::Cpu(), kind);
  EXPECT_NEAR(measured.loss, expected.loss, 1e-5 * std::abs(expected.loss) + 1e-6);
  double square = 0, size = 0;
  for (size_t i = 0; i < expected.gradient.size(); ++i) {
    square += std::pow(measured.gradient[i] - expected.gradient[i], 2);
    size += std::pow(expected.gradient[i], 2);
  }
  EXPECT_GT(size, 0);
  EXPECT_LE(std::sqrt(square), 1e-4 * std::sqrt(size));
}

TEST(DeviceRewardTest, PairwiseCreditComesToTheCpusNumbers) { ExpectTheCpusStep(Kind::kPairwise); }
TEST(DeviceRewardTest, PosteriorCreditComesToTheCpusNumbers) { ExpectTheCpusStep(Kind::kPosterior); }
TEST(DeviceRewardTest, PixelLevelLossComesToTheCpusNumbers) { ExpectTheCpusStep(Kind::kPixels); }

}  // namespace
