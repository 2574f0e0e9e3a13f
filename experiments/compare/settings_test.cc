// Every setting of the comparison, changed once: a finished run, a checkpoint and a file of settings all see it.

#include "experiments/runner/settings_contract.h"

#include <gtest/gtest.h>

#include "experiments/compare/run.h"

namespace experiments::compare {
namespace {

TEST(CompareSettingsTest, EverySettingCounts) {
  const Experiment<CompareOptions> experiment = TheExperiment();
  internal::ExperimentOf<CompareOptions> any(experiment);
  SettingsContract contract;
  contract.alternatives = {{"encoder", "resnet50"}, {"teacher", "RSS"}};
  contract.users_row = "labels";
  ExpectEverySettingCounts(any, contract);
}

TEST(CompareSettingsTest, AFileOfSettingsRepeatsThem) {
  const Experiment<CompareOptions> experiment = TheExperiment();
  internal::ExperimentOf<CompareOptions> any(experiment), other(experiment);
  ExpectAFileRepeatsTheSettings(any, other);
}

// What all rows share reaches the options of each paper.
TEST(CompareSettingsTest, TheBudgetIsShared) {
  CompareOptions options = *Preset("quick", "scenes");
  options.data.scene_classes = 9;
  options.training.steps = 17;
  options.gradient.learning_rate = 0.5;
  const auto check = [&](const auto& of_paper, const char* model) {
    EXPECT_EQ(of_paper.network.model, model);
    EXPECT_EQ(of_paper.data.scene_classes, 9);
    EXPECT_EQ(of_paper.training.steps, 17);
    EXPECT_EQ(of_paper.gradient.learning_rate, 0.5);
  };
  check(options.Rss(rss::Supervision::kImageReward), "pspnet_micro");
  check(options.Ciss(), "ciss_micro");
  check(options.Latent(), "pspnet_micro");
}

}  // namespace
}  // namespace experiments::compare
