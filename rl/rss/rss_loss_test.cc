#include "rl/rss/rss_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "autograd/collective/in_process.h"
#include "autograd/core/captured_step.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"
#include "rl/policies/categorical.h"
#include "rl/rss/counting_stream.h"
#include "rl/rss/hidden_labels.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::Collective;
using autograd::kFloat32;
using autograd::kFloat64;
using autograd::OneRank;
using autograd::RandomKey;
using autograd::Tape;
using autograd::Variable;
using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;
using testing::CountingStream;
using testing::PixelAccuracy;

constexpr int64_t kHeight = 12, kWidth = 16, kClasses = 4;

std::map<int64_t, std::vector<uint8_t>> Labels(const std::vector<int64_t>& ids) {
  return testing::BlockLabels(ids, kHeight, kWidth, kClasses);
}

struct Step {
  double loss = 0;
  Array gradient;
  RssResult result;
  RssReport report;
};

Step TakeStep(const Array& logits, const std::vector<int64_t>& ids, Reward& reward, const RssOptions& options,
              Collective& collective, double progress = 0, const Array& valid = {}) {
  Tape tape;
  const Variable watched = tape.Watch(logits);
  Step step;
  step.result =
      RssLoss(watched, {ids, kHeight, kWidth, valid, {}}, reward, options, progress, RandomKey(5), collective).value();
  tape.Backward(step.result.loss);
  step.loss = step.result.loss.Item();
  step.gradient = tape.Gradient(watched);
  step.report = step.result.Report();
  return step;
}

RssOptions Options(Credit credit, std::vector<int64_t> strides) {
  RssOptions options;
  options.credit = credit;
  options.scales = AllAtOnce(strides);
  return options;
}

// One scale, from its definition with nothing shared but the draws: pool by hand, all pairs, standard deviation of the
// non-zero entries, mean over them, gradient through softmax and pooling.
TEST(RssLossTest, PairwiseGradientFromItsDefinition) {
  const std::vector<int64_t> ids = {3, 8};
  constexpr int64_t kMaps = 6, kCells = 3 * 4;
  const Array logits = RandomArray({2, 6, 8, kClasses}, kFloat64, RandomKey(1), -1, 1);
  PixelAccuracy reward(Labels(ids));
  RssOptions options = Options(Credit::kPairwise, {4});
  options.group_size = kMaps;
  OneRank collective;
  const Step step = TakeStep(logits, ids, reward, options, collective);

  const std::vector<double> z = logits.ToVector<double>();
  std::vector<double> pooled(2 * kCells * kClasses);
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t y = 0; y < 6; ++y) {
      for (int64_t x = 0; x < 8; ++x) {
        for (int64_t k = 0; k < kClasses; ++k) {
          pooled[((b * 3 + y / 2) * 4 + x / 2) * kClasses + k] += z[((b * 6 + y) * 8 + x) * kClasses + k] / 4;
        }
      }
    }
  }
  const Rollout rollout = DrawRollout(OnGrids(Variable(logits), kHeight, kWidth, options.scales, 0),
                                      {ids, kHeight, kWidth, {}, {}}, reward, options, RandomKey(5), collective)
                              .value();
  const std::vector<uint8_t> actions = rollout.scales[0].inputs.actions.ToVector<uint8_t>();
  std::vector<double> score(kMaps * 2);
  const auto labels = Labels(ids);
  for (int64_t i = 0; i < kMaps * 2; ++i) {
    double right = 0, counted = 0;
    for (int64_t p = 0; p < kHeight * kWidth; ++p) {
      const uint8_t y = labels.at(ids[i % 2])[p];
      counted += y != testing::kVoid;
      right += actions[i * kCells + p / kWidth / 4 * 4 + p % kWidth / 4] == y;
    }
    score[i] = static_cast<float>(right / counted);
  }
  std::vector<double> advantage(kMaps * 2 * kCells);
  double count = 0, squares = 0;
  for (int64_t i = 0; i < kMaps; ++i) {
    for (int64_t q = 0; q < 2 * kCells; ++q) {
      double& a = advantage[i * 2 * kCells + q];
      for (int64_t j = 0; j < kMaps; ++j) {
        if (actions[i * 2 * kCells + q] != actions[j * 2 * kCells + q])
          a += (score[i * 2 + q / kCells] - score[j * 2 + q / kCells]) / (kMaps - 1);
      }
      if (std::abs(a) < 1e-12) a = 0;
      count += a != 0;
      squares += a * a;
    }
  }
  const double deviation = std::sqrt(squares / count);
  std::vector<double> expected(z.size());
  for (int64_t q = 0; q < 2 * kCells; ++q) {
    double total = 0;
    for (int64_t k = 0; k < kClasses; ++k) total += std::exp(pooled[q * kClasses + k]);
    for (int64_t k = 0; k < kClasses; ++k) {
      double g = 0;
      for (int64_t i = 0; i < kMaps; ++i) {
        const double indicator = actions[i * 2 * kCells + q] == k ? 1 : 0;
        g -= advantage[i * 2 * kCells + q] / (deviation + 1e-6) *
             (indicator - std::exp(pooled[q * kClasses + k]) / total) / count;
      }
      const int64_t b = q / kCells, y = q % kCells / 4, x = q % 4;
      for (int64_t pixel = 0; pixel < 4; ++pixel) {
        expected[((b * 6 + 2 * y + pixel / 2) * 8 + 2 * x + pixel % 2) * kClasses + k] = g / 4;
      }
    }
  }
  EXPECT_TRUE(AllClose(step.gradient, Array::From(logits.shape(), expected), 1e-6));
  EXPECT_EQ(rollout.scales[0].count.Item(), count);
}

TEST(RssLossTest, WholeMapCreditIsGroupRelativePolicyGradient) {
  const std::vector<int64_t> ids = {3, 8};
  const Array logits = RandomArray({2, 3, 4, kClasses}, kFloat64, RandomKey(1), -1, 1);
  PixelAccuracy reward(Labels(ids));
  const RssOptions options = Options(Credit::kWholeMap, {4});
  OneRank collective;
  const Step step = TakeStep(logits, ids, reward, options, collective);
  const auto grids = OnGrids(Variable(logits), kHeight, kWidth, options.scales, 0);
  const Rollout rollout =
      DrawRollout(grids, {ids, kHeight, kWidth, {}, {}}, reward, options, RandomKey(5), collective).value();
  const std::vector<uint8_t> actions = rollout.scales[0].inputs.actions.ToVector<uint8_t>();
  const std::vector<float> advantages = rollout.scales[0].inputs.advantages.ToVector<float>();
  const std::vector<double> log_probability =
      Categorical(logits).LogProbability(rollout.scales[0].inputs.actions).array().ToVector<double>();
  ASSERT_EQ(advantages.size(), 16u);
  double loss = 0;
  for (size_t i = 0; i < actions.size(); ++i)
    loss -= advantages[i / 12] * log_probability[i] / static_cast<double>(actions.size());
  EXPECT_NEAR(step.loss, loss, 1e-9);
}

TEST(RssLossTest, ScalesAreSummedWithTheirWeights) {
  const std::vector<int64_t> ids = {1};
  const Array logits = RandomArray({1, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1);
  PixelAccuracy reward(Labels(ids));
  RssOptions options = Options(Credit::kPairwise, {8, 4, 2, 1});
  options.scales[1].weight = 2.5;
  OneRank collective;
  const Step step = TakeStep(logits, ids, reward, options, collective);
  ASSERT_EQ(step.report.scales.size(), 4u);
  double sum = 0;
  for (const ScaleReport& scale : step.report.scales) sum += scale.loss * (scale.stride == 4 ? 2.5 : 1.0);
  EXPECT_NEAR(step.loss, sum, 1e-6);
  EXPECT_EQ(step.result.reward_queries, 4 * options.group_size);
  EXPECT_EQ(reward.queries, 4 * options.group_size);
  // Each scale draws from its own stream: alone, the second gives the same loss.
  options.scales = {options.scales[1]};
  EXPECT_NEAR(TakeStep(logits, ids, reward, options, collective).report.scales[0].loss, step.report.scales[1].loss,
              1e-7);
}

TEST(RssLossTest, ProgressSwitchesScalesOn) {
  const std::vector<int64_t> ids = {1};
  const Array logits = RandomArray({1, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1);
  PixelAccuracy reward(Labels(ids));
  RssOptions options;
  options.scales = CoarseToFine({2, 4, 8});
  OneRank collective;
  EXPECT_EQ(TakeStep(logits, ids, reward, options, collective, 0.1).report.scales.size(), 1u);
  EXPECT_EQ(TakeStep(logits, ids, reward, options, collective, 0.9).report.scales.size(), 3u);
  options.scales = {{8, 1, 0.5, 1}};
  ExpectError([&] { TakeStep(logits, ids, reward, options, collective, 0.1); }, "none of 1 scales is in use");
}

class Constant : public HostReward {
 public:
  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t>, const SampledMaps& maps) override {
    return std::vector<float>(maps.count, 0.1f);
  }
};

TEST(RssLossTest, NoDifferenceInRewardGivesExactlyZero) {
  const std::vector<int64_t> ids = {1, 2, 3};
  const Array logits = RandomArray({3, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1);
  Constant reward;
  OneRank collective;
  for (Credit credit : {Credit::kPairwise, Credit::kWholeMap, Credit::kPosterior}) {
    for (Normalization normalization : {Normalization::kNonZero, Normalization::kAll, Normalization::kNone}) {
      RssOptions options = Options(credit, {8, 4});
      options.normalization = normalization;
      const Step step = TakeStep(logits, ids, reward, options, collective);
      EXPECT_EQ(step.loss, 0);
      EXPECT_EQ(step.gradient.ToVector<float>(), std::vector<float>(logits.size(), 0.0f));
      EXPECT_EQ(step.report.scales[0].credited, 0);
    }
  }
}

// Evidence may come from any maps; a policy gradient needs its own.
TEST(RssLossTest, SharperDrawsAreForThePosteriorOnly) {
  const std::vector<int64_t> ids = {1, 2};
  const Array logits = RandomArray({2, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1);
  PixelAccuracy reward(Labels(ids));
  OneRank collective;
  RssOptions options = Options(Credit::kPairwise, {4});
  options.sharpness = 2;
  ExpectError([&] { TakeStep(logits, ids, reward, options, collective); }, "DrawRollout: sharpness is 2");

  options.credit = Credit::kPosterior;
  options.group_size = 64;
  const RssBatch batch = {ids, kHeight, kWidth, {}, {}};
  const auto differing = [&](double sharpness) {
    options.sharpness = sharpness;
    const Rollout rollout = DrawRollout(OnGrids(Variable(logits), kHeight, kWidth, options.scales, 0), batch, reward,
                                        options, RandomKey(5), collective)
                                .value();
    const std::vector<uint8_t> actions = rollout.scales[0].inputs.actions.ToVector<uint8_t>();
    const std::vector<uint8_t> mode =
        Categorical(OnGrids(Variable(logits), kHeight, kWidth, options.scales, 0)[0].logits).Mode().ToVector<uint8_t>();
    double others = 0;
    for (size_t i = 0; i < actions.size(); ++i) others += actions[i] != mode[i % mode.size()];
    return others / static_cast<double>(actions.size());
  };
  EXPECT_LT(differing(4), differing(2));
  EXPECT_LT(differing(2), differing(1));
  EXPECT_LT(differing(1e4), 0.01);
}

TEST(RssLossTest, ASettledPolicyGivesExactlyZero) {
  std::vector<float> sure(6 * 8 * kClasses, -200.0f);
  for (size_t i = 0; i < sure.size(); i += kClasses) sure[i + 1] = 200.0f;
  PixelAccuracy reward(Labels({1}));
  OneRank collective;
  const Step step =
      TakeStep(Array::From({1, 6, 8, kClasses}, sure), {1}, reward, Options(Credit::kPairwise, {4}), collective);
  EXPECT_EQ(step.loss, 0);
  for (float g : step.gradient.ToVector<float>()) EXPECT_EQ(g, 0);
}

// Two ranks with two images each: the mean of their gradients is one rank's with all four images, only with
// synchronisation.
TEST(RssLossTest, RanksLearnWhatOneRankWould) {
  const std::vector<int64_t> ids = {1, 2, 3, 4};
  // Confident images beside undecided ones, so that the ranks' own deviations differ.
  Array logits = RandomArray({4, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1);
  for (int64_t i = 0; i < logits.size() / 2; ++i) logits.data<float>()[i] *= 4;
  RssOptions options = Options(Credit::kPairwise, {4, 2});
  options.counterfactual = {Variation::kCells, 0.3};
  PixelAccuracy whole_reward(Labels(ids));
  OneRank one;
  const Step whole = TakeStep(logits, ids, whole_reward, options, one);
  for (bool synchronize : {true, false}) {
    options.synchronize_advantages = synchronize;
    autograd::RunRanks(2, [&](Collective& collective) {
      const int64_t begin = collective.rank() * 2;
      PixelAccuracy reward(Labels(ids));
      const Step own =
          TakeStep(logits.Slice(begin, begin + 2), {ids[begin], ids[begin + 1]}, reward, options, collective);
      std::vector<float> expected = whole.gradient.Slice(begin, begin + 2).ToVector<float>();
      for (float& g : expected) g *= 2;  // the mean over ranks halves it
      EXPECT_EQ(static_cast<bool>(AllClose(own.gradient, Array::From(own.gradient.shape(), expected), 1e-6)),
                synchronize);
    });
  }
}

// Draws, rewards and advantages: the same bits. Without synchronisation the draws still are, the advantages not.
TEST(RssLossTest, RanksHaveTheAdvantagesOfOneRank) {
  const std::vector<int64_t> ids = {1, 2, 3, 4};
  Array logits = RandomArray({4, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1);
  for (int64_t i = 0; i < logits.size() / 2; ++i) logits.data<float>()[i] *= 4;
  RssOptions options = Options(Credit::kPairwise, {4, 2});
  options.counterfactual = {Variation::kCells, 0.3};
  const auto draw = [&](const Array& own, const std::vector<int64_t>& own_ids, Collective& collective) {
    PixelAccuracy reward(Labels(ids));
    const RssBatch batch = {own_ids, kHeight, kWidth, {}, {}};
    return DrawRollout(OnGrids(Variable(own), kHeight, kWidth, options.scales, 0), batch, reward, options, RandomKey(5),
                       collective)
        .value();
  };
  // Of the values [n, 4, ..] of four images, those of images begin and begin + 1.
  const auto part = []<typename T>(const std::vector<T>& values, int64_t maps, int64_t begin) {
    const int64_t image = static_cast<int64_t>(values.size()) / maps / 4;
    std::vector<T> chosen;
    for (int64_t i = 0; i < maps; ++i) {
      const auto first = values.begin() + (i * 4 + begin) * image;
      chosen.insert(chosen.end(), first, first + 2 * image);
    }
    return chosen;
  };
  OneRank one;
  const Rollout whole = draw(logits, ids, one);
  for (bool synchronize : {true, false}) {
    options.synchronize_advantages = synchronize;
    autograd::RunRanks(2, [&](Collective& collective) {
      const int64_t begin = collective.rank() * 2;
      const Rollout own = draw(logits.Slice(begin, begin + 2), {ids[begin], ids[begin + 1]}, collective);
      for (size_t i = 0; i < own.scales.size(); ++i) {
        const int64_t maps = options.group_size;
        const CategoricalSurrogateInputs &ours = own.scales[i].inputs, &all = whole.scales[i].inputs;
        EXPECT_EQ(ours.actions.ToVector<uint8_t>(), part(all.actions.ToVector<uint8_t>(), maps, begin));
        EXPECT_EQ(own.scales[i].rewards.ToVector<float>(),
                  part(whole.scales[i].rewards.ToVector<float>(), maps, begin));
        EXPECT_EQ(ours.advantages.ToVector<float>() == part(all.advantages.ToVector<float>(), maps, begin),
                  synchronize);
      }
    });
  }
}

// Maps of so many cells that the kernels split them.
TEST(RssLossTest, TheSameForAnyThreadCount) {
  constexpr int64_t kTall = 96, kWide = 128;
  const std::vector<int64_t> ids = {1, 2};
  const Array logits = RandomArray({2, kTall, kWide, kClasses}, kFloat32, RandomKey(1), -1, 1);
  PixelAccuracy reward(testing::BlockLabels(ids, kTall, kWide, kClasses));
  OneRank collective;
  const RssOptions options = Options(Credit::kPairwise, {8, 4, 1});
  EXPECT_TRUE(autograd::testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable watched = tape.Watch(logits);
    const RssResult result =
        RssLoss(watched, {ids, kTall, kWide, {}, {}}, reward, options, 0, RandomKey(5), collective).value();
    tape.Backward(result.loss);
    return std::vector<Array>{result.loss.array(), tape.Gradient(watched)};
  }));
}

TEST(RssLossTest, PaddingGetsNoGradient) {
  const Array logits = RandomArray({1, 3, 4, kClasses}, kFloat32, RandomKey(1), -1, 1);
  std::vector<uint8_t> valid(kHeight * kWidth, 1);
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 8; x < kWidth; ++x) valid[y * kWidth + x] = 0;
  }
  PixelAccuracy reward(Labels({1}));
  OneRank collective;
  for (Credit credit : {Credit::kPairwise, Credit::kWholeMap, Credit::kPosterior}) {
    const Step step =
        TakeStep(logits, {1}, reward, Options(credit, {4}), collective, 0, Array::From({1, kHeight, kWidth}, valid));
    const std::vector<float> gradient = step.gradient.ToVector<float>();
    double inside = 0, outside = 0;
    for (size_t i = 0; i < gradient.size(); ++i) (i / kClasses % 4 >= 2 ? outside : inside) += std::abs(gradient[i]);
    EXPECT_EQ(outside, 0);
    EXPECT_GT(inside, 0);
  }
}

TEST(RssLossTest, SeveralUpdatesARollout) {
  const std::vector<int64_t> ids = {1, 2};
  const Array logits = RandomArray({2, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1);
  PixelAccuracy reward(Labels(ids));
  RssOptions options = Options(Credit::kPairwise, {4, 2});
  OneRank collective;
  const Step on_policy = TakeStep(logits, ids, reward, options, collective);
  options.keep_old_log_probability = true;
  const RssBatch batch = {ids, kHeight, kWidth, {}, {}};
  const Rollout rollout = DrawRollout(OnGrids(Variable(logits), kHeight, kWidth, options.scales, 0), batch, reward,
                                      options, RandomKey(5), collective)
                              .value();
  Array moved = logits.Copy();
  for (int update = 0; update < 2; ++update) {
    Tape tape;
    const Variable watched = tape.Watch(moved);
    const RssResult result = RolloutLoss(OnGrids(watched, kHeight, kWidth, options.scales, 0), rollout, options);
    tape.Backward(result.loss);
    const Array gradient = tape.Gradient(watched);
    if (update == 0) {
      EXPECT_TRUE(AllClose(gradient, on_policy.gradient, 1e-5));
      EXPECT_EQ(result.Report().scales[1].clipped, 0);
    } else {
      EXPECT_GT(result.Report().scales[1].clipped, 0);
    }
    for (int64_t i = 0; i < moved.size(); ++i) moved.data<float>()[i] -= 40 * gradient.data<float>()[i];
  }
}

// The whole step on the emulated device against the CPU: what is drawn and scored is the same, loss and gradient are
// close, and the host never touches the device's memory (that would be a segmentation fault).
TEST(RssLossTest, CudaInTheEmulator) {
  const std::vector<int64_t> ids = {1, 2};
  const Array logits = RandomArray({2, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1);
  std::vector<uint8_t> padding(2 * kHeight * kWidth, 1);
  for (size_t i = 0; i < padding.size(); ++i) padding[i] = i % kWidth < 13 ? 1 : 0;
  const Array valid = Array::From({2, kHeight, kWidth}, padding);
  PixelAccuracy reward(Labels(ids));
  OneRank collective;
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (Credit credit : {Credit::kPairwise, Credit::kWholeMap, Credit::kPosterior}) {
    for (Variation variation : {Variation::kIndependent, Variation::kCells, Variation::kBlock}) {
      RssOptions options = Options(credit, {4, 2});
      options.scales[0].weight = 0.5;
      options.group_size = 5;
      options.counterfactual = {variation, 0.3};
      options.keep_old_log_probability = variation == Variation::kCells;
      options.surrogate.entropy_weight = 0.1;
      const Array mask = variation == Variation::kBlock ? Array() : valid;
      const Step expected = TakeStep(logits, ids, reward, options, collective, 0, mask);
      autograd::StreamScope scope(*stream);
      const Step measured = TakeStep(logits.To(*stream), ids, reward, options, collective, 0, mask.To(*stream));
      EXPECT_NEAR(measured.loss, expected.loss, 1e-5);
      EXPECT_TRUE(AllClose(measured.gradient, expected.gradient, 1e-5));
      ASSERT_EQ(measured.report.scales.size(), expected.report.scales.size());
      for (size_t i = 0; i < measured.report.scales.size(); ++i) {
        EXPECT_EQ(measured.result.measures[i].rewards.ToVector<float>(),
                  expected.result.measures[i].rewards.ToVector<float>());
        EXPECT_NEAR(measured.report.scales[i].credited, expected.report.scales[i].credited, 1e-12);
        EXPECT_NEAR(measured.report.scales[i].entropy, expected.report.scales[i].entropy, 1e-5);
      }
    }
  }
}

// Scores that lie on the device already.
class OnDevice : public Reward {
 public:
  explicit OnDevice(Array scores) : scores_(std::move(scores)) {}
  absl::StatusOr<Array> ScoreInPlace(std::span<const int64_t>, const Array&, int64_t, int64_t) override {
    return scores_;
  }

 private:
  Array scores_;
};

TEST(RssLossTest, NothingPassesTheHostBetweenLogitsAndGradient) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  CountingStream counting(*stream);
  autograd::StreamScope scope(counting);
  const std::vector<int64_t> ids = {1, 2};
  const Array logits = RandomArray({2, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1).To(counting);
  const Array valid = Array::Full({2, kHeight, kWidth}, autograd::kUInt8, 1);
  OnDevice reward(RandomArray({8, 2}, kFloat32, RandomKey(2), 0, 1));
  OneRank collective;
  for (Credit credit : {Credit::kPairwise, Credit::kWholeMap, Credit::kPosterior}) {
    RssOptions options = Options(credit, {4, 2});
    options.counterfactual = {Variation::kCells, 0.3};
    options.keep_old_log_probability = true;
    counting.copies = 0;
    Tape tape;
    const Variable watched = tape.Watch(logits);
    const RssResult result =
        RssLoss(watched, {ids, kHeight, kWidth, valid, logits}, reward, options, 0, RandomKey(5), collective).value();
    tape.Backward(result.loss);
    EXPECT_EQ(counting.copies, 0);
    EXPECT_TRUE(std::isfinite(result.loss.Item()));
    EXPECT_GT(result.Report().scales[0].credited, 0);
  }
}

// A recorded step draws anew each time, and what an eager one with the same key draws.
TEST(RssLossTest, ARecordedStepDrawsAnewEachTime) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*stream);
  const std::vector<int64_t> ids = {1, 2};
  const Array logits = RandomArray({2, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1).To(*stream);
  OnDevice reward(RandomArray({8, 2}, kFloat32, RandomKey(2), 0, 1));
  OneRank collective;
  RssOptions options = Options(Credit::kPairwise, {4, 2});
  options.counterfactual = {Variation::kCells, 0.3};
  const auto gradients = [&](int eager_runs) {
    Array gradient;
    autograd::CapturedStep step(
        [&](const RandomKey& key) {
          Tape tape;
          const Variable watched = tape.Watch(logits);
          tape.Backward(
              RssLoss(watched, {ids, kHeight, kWidth, {}, {}}, reward, options, 0, key, collective).value().loss);
          gradient = tape.Gradient(watched);
        },
        eager_runs);
    std::vector<std::vector<float>> all;
    for (uint64_t i = 0; i < 3; ++i) {
      step.Run(RandomKey(5), i);
      all.push_back(gradient.ToVector<float>());
    }
    return all;
  };
  const std::vector<std::vector<float>> eager = gradients(3), replayed = gradients(0);
  EXPECT_EQ(replayed, eager);
  EXPECT_NE(eager[1], eager[0]);
  EXPECT_NE(eager[2], eager[1]);
}

TEST(RssLossTest, AShapeThatAnswersNothingIsRefused) {
  OnDevice reward(Array::Zeros({8, 3}, kFloat32));
  OneRank collective;
  const std::vector<int64_t> ids = {1};
  const auto result = RssLoss(Variable(Array::Zeros({1, 3, 4, kClasses}, kFloat32)), {ids, kHeight, kWidth, {}, {}},
                              reward, Options(Credit::kPairwise, {4}), 0, RandomKey(5), collective);
  EXPECT_EQ(result.status().message(), "the reward gave scores [8, 3] for maps [8, 1, 3, 4]");
}

TEST(RssLossTest, CudaInTheEmulatorOnSeveralRanks) {
  const std::vector<int64_t> ids = {1, 2};
  const Array logits = RandomArray({2, 6, 8, kClasses}, kFloat32, RandomKey(1), -1, 1);
  for (Credit credit : {Credit::kPairwise, Credit::kWholeMap, Credit::kPosterior}) {
    autograd::RunRanks(2, [&](Collective& collective) {
      const std::vector<int64_t> own = {ids[collective.rank()]};
      const Array part = logits.Slice(collective.rank(), collective.rank() + 1);
      PixelAccuracy reward(Labels(ids));
      const Step expected = TakeStep(part, own, reward, Options(credit, {2}), collective);
      const auto stream = cuda_emulator::OpenEmulatedStream();
      autograd::StreamScope scope(*stream);
      const Step measured = TakeStep(part.To(*stream), own, reward, Options(credit, {2}), collective);
      EXPECT_TRUE(AllClose(measured.gradient, expected.gradient, 1e-5));
    });
  }
}

class Failing : public HostReward {
 public:
  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t>, const SampledMaps&) override {
    return absl::UnavailableError("the scorer has died");
  }
};

TEST(RssLossTest, AnErrorOfTheRewardIsReturned) {
  Failing reward;
  OneRank collective;
  const std::vector<int64_t> ids = {1};
  const auto result = RssLoss(Variable(Array::Zeros({1, 3, 4, kClasses}, kFloat32)), {ids, kHeight, kWidth, {}, {}},
                              reward, Options(Credit::kPairwise, {4}), 0, RandomKey(5), collective);
  EXPECT_EQ(result.status(), absl::UnavailableError("the scorer has died"));
}

TEST(RssLossTest, ImageIdsMustMatchTheLogits) {
  PixelAccuracy reward(Labels({1}));
  OneRank collective;
  ExpectError(
      [&] {
        TakeStep(Array::Zeros({2, 3, 4, kClasses}, kFloat32), {1}, reward, Options(Credit::kPairwise, {4}), collective);
      },
      "1 image ids for logits [2, 3, 4, 4]");
}

}  // namespace
}  // namespace rl
