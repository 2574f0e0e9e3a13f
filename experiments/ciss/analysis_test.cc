#include "experiments/ciss/analysis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "data/scenes/scene_dataset.h"
#include "seg/seg.h"

namespace experiments::ciss {
namespace {

TEST(AreaUnderCurve, CountsPairs) {
  EXPECT_EQ(AreaUnderCurve({0.1f, 0.4f, 0.35f, 0.8f}, {0, 0, 1, 1}), 0.75);  // 3 of 4 pairs
  EXPECT_EQ(AreaUnderCurve({0.5f, 0.5f, 0.5f}, {0, 1, 1}), 0.5);             // ties count half
  EXPECT_EQ(AreaUnderCurve({0.9f, 0.1f, 0.5f}, {0, 1, 1}), 0);
  EXPECT_TRUE(std::isnan(AreaUnderCurve({0.3f, 0.7f}, {1, 1})));
}

double Value(const std::vector<Score>& scores, const std::string& name) {
  const Score* score = FindScore(scores, name);
  return score == nullptr ? -1 : score->value;
}

TEST(AnalyseContexts, KnowsWhatFixedRulesAdopt) {
  data::SceneOptions scenes;
  scenes.validation_size = 3;
  scenes.height = 40;  // padded to the stride
  scenes.width = 64;
  const auto dataset = data::SceneDataset::Create("val", scenes);
  ASSERT_TRUE(dataset.ok());
  seg::CissNet net(seg::ConfigureCissNet("micro", (*dataset)->info().num_classes()).value(), autograd::RandomKey(2));

  net.inference.choice.rule = seg::ContextRule::kFull;
  absl::StatusOr<ContextAnalysis> analysis = AnalyseContexts(net, **dataset, AnalysisOptions{.steps = 2, .key = {}});
  ASSERT_TRUE(analysis.ok()) << analysis.status();
  ASSERT_EQ(analysis->steps.size(), 2u);
  EXPECT_EQ(analysis->steps[0].adopted, 1);
  EXPECT_EQ(Value(analysis->swaps, "own"), Value(analysis->swaps, "full"));
  // All that is adopted is what Base is right about.
  EXPECT_EQ(Value(analysis->Scores(), "precision"), analysis->steps[0].precision);
  // Nobody has asked its context net.
  EXPECT_TRUE(std::isnan(analysis->auc));
  EXPECT_EQ(FindScore(analysis->Scores(), "AUC"), nullptr);
  EXPECT_GE(Value(analysis->Scores(), "confidence AUC"), 0);

  net.inference.choice.rule = seg::ContextRule::kEmpty;
  analysis = AnalyseContexts(net, **dataset, AnalysisOptions{.steps = 1, .key = {}});
  ASSERT_TRUE(analysis.ok()) << analysis.status();
  EXPECT_EQ(analysis->steps[0].adopted, 0);
  EXPECT_EQ(Value(analysis->swaps, "own"), Value(analysis->swaps, "empty"));
  EXPECT_EQ(Value(analysis->swaps, "own"), Value(analysis->swaps, "random"));  // at its own rate, which is none

  net.inference.choice.rule = seg::ContextRule::kAgent;
  analysis = AnalyseContexts(net, **dataset, AnalysisOptions{.steps = 1, .key = {}});
  ASSERT_TRUE(analysis.ok()) << analysis.status();
  EXPECT_EQ(Value(analysis->Scores(), "AUC"), analysis->auc);
}

}  // namespace
}  // namespace experiments::ciss
