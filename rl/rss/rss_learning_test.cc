// Whether the ways of giving credit learn a label map from scores, in some steps on free logits.

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "rl/policies/categorical.h"
#include "rl/rss/hidden_labels.h"
#include "rl/rss/rss_loss.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::OneRank;
using autograd::RandomKey;
using autograd::Tape;
using autograd::Variable;
using testing::PixelAccuracy;

constexpr int64_t kHeight = 12, kWidth = 16, kClasses = 4;

RssOptions Options(Credit credit, const std::vector<int64_t>& strides) {
  RssOptions options;
  options.credit = credit;
  options.scales = AllAtOnce(strides);
  return options;
}

// Free logits, one image, blocks of one class: the share of pixels that end with the right mode after some steps, the
// mean over `kRuns` images that are learned each with its own draws. Guessing gets 1/kClasses of them right.
constexpr int kRuns = 5;
double Learn(const RssOptions& options, int steps, double rate) {
  double share = 0;
  for (int run = 0; run < kRuns; ++run) {
    const std::vector<int64_t> ids = {6 + run};
    const auto labels = testing::BlockLabels(ids, kHeight, kWidth, kClasses);
    PixelAccuracy reward(labels);
    OneRank collective;
    Array logits = Array::Zeros({1, kHeight, kWidth, kClasses}, kFloat32);
    for (int step = 0; step < steps; ++step) {
      Tape tape;
      const Variable watched = tape.Watch(logits);
      const auto result = RssLoss(watched, {ids, kHeight, kWidth, {}, {}}, reward, options, 0,
                                  RandomKey(1 + run).Split(step), collective);
      tape.Backward(result->loss);
      const Array gradient = tape.Gradient(watched);
      for (int64_t i = 0; i < logits.size(); ++i)
        logits.data<float>()[i] -= static_cast<float>(rate) * gradient.data<float>()[i];
    }
    const std::vector<uint8_t> mode = Categorical(logits).Mode().ToVector<uint8_t>();
    double right = 0, counted = 0;
    for (size_t i = 0; i < mode.size(); ++i) {
      counted += labels.at(ids[0])[i] != testing::kVoid;
      right += mode[i] == labels.at(ids[0])[i];
    }
    share += right / counted / kRuns;
  }
  return share;
}

// Of the five images' sixty blocks, nine in ten are right: six may be wrong, and none or two are.
constexpr double kLearned = 0.9;

// The paper's claim in small: from 20 steps of 8 scores each, coarse maps with pair-wise credit have learned the image,
// and full-resolution maps with one advantage for all of their 192 pixels leave many times as much of it wrong, at any
// learning rate.
TEST(RssLearningTest, CoarsePairwiseLearnsWhereTheNaivePipelineDoesNot) {
  for (double rate : {25.0, 100.0, 400.0}) {
    const double coarse = Learn(Options(Credit::kPairwise, {4}), 20, rate),
                 naive = Learn(Options(Credit::kWholeMap, {1}), 20, rate);
    EXPECT_GT(coarse, kLearned) << rate;
    EXPECT_GT(1 - naive, 5 * (1 - coarse)) << rate;
    EXPECT_LT(naive, kLearned) << rate;
  }
}

TEST(RssLearningTest, ThePosteriorLearnsToo) {
  RssOptions options = Options(Credit::kPosterior, {4});
  EXPECT_GT(Learn(options, 100, 100), kLearned);
  options.sharpness = 2;
  EXPECT_GT(Learn(options, 100, 100), kLearned);
}

TEST(RssLearningTest, CounterfactualGroupsLearnToo) {
  RssOptions options = Options(Credit::kPairwise, {4});
  for (Variation variation : {Variation::kCells, Variation::kBlock}) {
    options.counterfactual = {variation, 0.2};
    EXPECT_GT(Learn(options, 100, 100), kLearned);
  }
}

}  // namespace
}  // namespace rl
