#include "rl/rss/pixel_reward_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "autograd/collective/in_process.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "rl/policies/categorical.h"
#include "rl/rss/counting_stream.h"
#include "rl/rss/hidden_labels.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::Collective;
using autograd::kFloat32;
using autograd::OneRank;
using autograd::RandomKey;
using autograd::Tape;
using autograd::Variable;
using autograd::testing::AllClose;
using autograd::testing::RandomArray;
using testing::LabelMatch;

constexpr int64_t kSize = 6, kPixels = kSize * kSize, kClasses = 5;

std::map<int64_t, std::vector<uint8_t>> Labels(int64_t images) {
  std::map<int64_t, std::vector<uint8_t>> labels;
  for (int64_t id = 0; id < images; ++id) {
    for (int64_t i = 0; i < kPixels; ++i) {
      // Image 0 is mostly void, so that ranks see different numbers of valid pixels.
      const bool is_void = id == 0 ? i % 4 != 0 : i % 11 == 0;
      labels[id].push_back(
          is_void ? testing::kVoid
                  : static_cast<uint8_t>(autograd::UniformBelow(autograd::Philox(RandomKey(id), i).x, kClasses)));
    }
  }
  return labels;
}

struct Step {
  PixelRewardReport report;
  double loss = 0;
  Array gradient;
};

Step TakeStep(const Array& logits, const std::vector<int64_t>& ids, const PixelRewardOptions& options,
              Collective& collective, int key = 3) {
  LabelMatch reward(Labels(4));
  Tape tape;
  const Variable watched = tape.Watch(logits);
  Step step;
  const PixelRewardResult result = PixelRewardLoss(watched, ids, reward, options, RandomKey(key), collective).value();
  tape.Backward(result.loss);
  step.loss = result.loss.Item();
  step.report = result.Report();
  step.gradient = tape.Gradient(watched);
  return step;
}

TEST(PixelRewardLossTest, TheMeanGradientApproachesTheClosedForm) {
  // Expected gradient of a valid pixel: −π_k·(1[k = y] − π_y)/(σ·pixels), where σ² = m(1 − m) with m the mean of π_y,
  // as r is 1 or 0.
  const Array logits = RandomArray({1, kSize, kSize, kClasses}, kFloat32, RandomKey(1), -1, 1);
  PixelRewardOptions options;
  options.group_size = 8000;
  OneRank collective;
  const Step step = TakeStep(logits, {1}, options, collective);
  const std::vector<uint8_t> label = Labels(4).at(1);
  const std::vector<float> z = logits.ToVector<float>(), gradient = step.gradient.ToVector<float>();
  std::vector<double> pi(z.size());
  double mean = 0, pixels = 0;
  for (int64_t p = 0; p < kPixels; ++p) {
    double total = 0;
    for (int64_t k = 0; k < kClasses; ++k) total += std::exp(z[p * kClasses + k]);
    for (int64_t k = 0; k < kClasses; ++k) pi[p * kClasses + k] = std::exp(z[p * kClasses + k]) / total;
    if (label[p] == testing::kVoid) continue;
    mean += pi[p * kClasses + label[p]];
    ++pixels;
  }
  mean /= pixels;
  const double sigma = std::sqrt(mean * (1 - mean));
  // Five standard errors: of rewards that are 0 or 1, and of a pixel's (r − m)/σ·(1[a = k] − π_k), whose factors are at
  // most max(m, 1 − m)/σ and of variance 1/4. Of the σ that is measured, too.
  const double draws = static_cast<double>(options.group_size);
  EXPECT_NEAR(step.report.mean_reward, mean, 5 * sigma / std::sqrt(draws * pixels));
  const double error = 5 * std::max(mean, 1 - mean) / sigma * 0.5 / (pixels * std::sqrt(draws));
  for (int64_t p = 0; p < kPixels; ++p) {
    for (int64_t k = 0; k < kClasses; ++k) {
      const int64_t i = p * kClasses + k;
      if (label[p] == testing::kVoid) {
        EXPECT_EQ(gradient[i], 0) << "void pixel " << p;
      } else {
        const double expected = -pi[i] * ((k == label[p] ? 1 : 0) - pi[p * kClasses + label[p]]) / (sigma * pixels);
        EXPECT_NEAR(gradient[i], expected, error) << "pixel " << p << " class " << k;
      }
    }
  }
}

TEST(PixelRewardLossTest, SyncAnMakesRanksLearnWhatOneRankWould) {
  const Array logits = RandomArray({4, kSize, kSize, kClasses}, kFloat32, RandomKey(1), -1, 1);
  PixelRewardOptions options;
  options.surrogate.entropy_weight = 0.3;  // its mean is over all ranks' pixels that are not void, too
  OneRank one;
  const Step whole = TakeStep(logits, {0, 1, 2, 3}, options, one);
  for (bool synchronize : {true, false}) {
    options.synchronize_advantages = synchronize;
    autograd::RunRanks(2, [&](Collective& collective) {
      const int64_t begin = collective.rank() * 2;
      const Step own = TakeStep(logits.Slice(begin, begin + 2), {begin, begin + 1}, options, collective);
      std::vector<float> expected = whole.gradient.Slice(begin, begin + 2).ToVector<float>();
      for (float& g : expected) g *= 2;
      EXPECT_EQ(static_cast<bool>(AllClose(own.gradient, Array::From(own.gradient.shape(), expected), 1e-6)),
                synchronize);
    });
  }
}

TEST(PixelRewardLossTest, CudaInTheEmulator) {
  const Array logits = RandomArray({2, kSize, kSize, kClasses}, kFloat32, RandomKey(1), -1, 1);
  const auto stream = cuda_emulator::OpenEmulatedStream();
  OneRank collective;
  for (bool keep : {false, true}) {
    PixelRewardOptions options;
    options.keep_old_log_probability = keep;
    const Step expected = TakeStep(logits, {0, 1}, options, collective);
    autograd::StreamScope scope(*stream);
    const Step measured = TakeStep(logits.To(*stream), {0, 1}, options, collective);
    EXPECT_NEAR(measured.loss, expected.loss, 1e-5);
    EXPECT_EQ(measured.report.mean_reward, expected.report.mean_reward);
    EXPECT_NEAR(measured.report.entropy, expected.report.entropy, 1e-5);
    EXPECT_TRUE(AllClose(measured.gradient, expected.gradient, 1e-5));
  }
}

class OnDevice : public PixelReward {
 public:
  explicit OnDevice(PixelScores scores) : scores_(std::move(scores)) {}
  absl::StatusOr<PixelScores> Score(std::span<const int64_t>, const Array&) override { return scores_; }

 private:
  PixelScores scores_;
};

TEST(PixelRewardLossTest, NothingPassesTheHostBetweenLogitsAndGradient) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  testing::CountingStream counting(*stream);
  autograd::StreamScope scope(counting);
  const Array logits = RandomArray({2, kSize, kSize, kClasses}, kFloat32, RandomKey(1), -1, 1).To(counting);
  OnDevice reward(
      {RandomArray({4, 2, kSize, kSize}, kFloat32, RandomKey(2)), Array::Full({2, kSize, kSize}, autograd::kUInt8, 1)});
  OneRank collective;
  const std::vector<int64_t> ids = {0, 1};
  counting.copies = 0;
  Tape tape;
  const Variable watched = tape.Watch(logits);
  const PixelRewardResult result = PixelRewardLoss(watched, ids, reward, {}, RandomKey(3), collective).value();
  tape.Backward(result.loss);
  EXPECT_EQ(counting.copies, 0);
  EXPECT_GT(result.Report().entropy, 0);
}

// Of pixels that are each learned on their own, in five runs with other draws, nine in ten are right; guessing gets one
// in five.
TEST(PixelRewardLossTest, LearnsTheLabels) {
  constexpr int kRuns = 5;
  OneRank collective;
  const std::vector<uint8_t> labels[] = {Labels(4).at(1), Labels(4).at(2)};
  double right = 0, counted = 0;
  for (int run = 0; run < kRuns; ++run) {
    Array logits = Array::Zeros({2, kSize, kSize, kClasses}, kFloat32);
    for (int step = 0; step < 60; ++step) {
      const Array gradient = TakeStep(logits, {1, 2}, {}, collective, 1000 * run + step).gradient;
      for (int64_t i = 0; i < logits.size(); ++i) logits.data<float>()[i] -= 60 * gradient.data<float>()[i];
    }
    const std::vector<uint8_t> mode = Categorical(logits).Mode().ToVector<uint8_t>();
    for (int64_t i = 0; i < 2 * kPixels; ++i) {
      const uint8_t y = labels[i / kPixels][i % kPixels];
      counted += y != testing::kVoid;
      right += y != testing::kVoid && mode[i] == y;
    }
  }
  EXPECT_GT(right / counted, 0.9);
}

TEST(PixelRewardLossTest, AllVoidGivesExactlyZero) {
  std::map<int64_t, std::vector<uint8_t>> labels;
  labels[0] = std::vector<uint8_t>(kPixels, testing::kVoid);
  LabelMatch reward(labels);
  OneRank collective;
  const std::vector<int64_t> ids = {0};
  const auto result = PixelRewardLoss(Variable(RandomArray({1, kSize, kSize, kClasses}, kFloat32, RandomKey(1))), ids,
                                      reward, {}, RandomKey(1), collective);
  EXPECT_EQ(result->loss.Item(), 0);
}

}  // namespace
}  // namespace rl
