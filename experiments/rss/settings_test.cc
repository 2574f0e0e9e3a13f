// Every setting of every RSS program, changed once: a finished run, a checkpoint and a file of settings all see it.

#include "experiments/runner/settings_contract.h"

#include <gtest/gtest.h>

#include <string>

#include "experiments/rss/run.h"

namespace experiments::rss {
namespace {

Experiment<RssOptions> Make(const std::string& name, const std::string& dataset) {
  Experiment<RssOptions> experiment = BaseExperiment();
  experiment.name = name;
  experiment.dataset = dataset;
  return experiment;
}

void Check(const std::string& name, const std::string& dataset, const std::string& table) {
  const Experiment<RssOptions> experiment = Make(name, dataset);
  internal::ExperimentOf<RssOptions> any(experiment);
  ExpectEverySettingCounts(any, {.table = table,
                                 .alternatives = {{"advantage", "grpo"},
                                                  {"normalization", "all"},
                                                  {"reward_classes", "union"},
                                                  {"reward", "exec:true"},
                                                  {"reward_scales", "32,1"},
                                                  {"supervision", "labels"},
                                                  {"test_scales", "0.5"}},
                                 .users_row = table.empty() ? "rss_image" : "",
                                 .replaced_by_cold_start = "cold_start_micro"});
}

TEST(RssSettingsTest, EverySettingOfEveryProgramCounts) {
  Check("rss_pascal_context", "pascal_context", "");
  Check("rss_pascal_context", "pascal_context", "2");
  Check("rss_voc2012", "voc2012_aug", "5");
  Check("rss_cityscapes", "cityscapes", "6");
}

TEST(RssSettingsTest, AFileOfSettingsRepeatsThem) {
  const Experiment<RssOptions> experiment = Make("rss_pascal_context", "pascal_context");
  internal::ExperimentOf<RssOptions> any(experiment), other(experiment);
  ExpectAFileRepeatsTheSettings(any, other);
}

}  // namespace
}  // namespace experiments::rss
