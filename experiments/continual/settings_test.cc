// Every setting of the continual programs, changed once: a finished run, a checkpoint and a file of settings all see
// it.

#include "experiments/runner/settings_contract.h"

#include <gtest/gtest.h>

#include <string>

#include "experiments/continual/run.h"
#include "experiments/continual/tables.h"

namespace experiments::continual {
namespace {

Experiment<ContinualOptions> Make() {
  Experiment<ContinualOptions> experiment = BaseExperiment();
  experiment.name = "latent_continual_voc";
  experiment.dataset = "voc2012_aug";
  experiment.tables = {{"15-5", TableThree<Quoted::kVoc2012, 0>}, {"10-1", TableThree<Quoted::kVoc2012, 2>}};
  return experiment;
}

TEST(ContinualSettingsTest, EverySettingOfEveryProgramCounts) {
  const Experiment<ContinualOptions> experiment = Make();
  for (const char* table : {"", "15-5"}) {
    internal::ExperimentOf<ContinualOptions> any(experiment);
    ExpectEverySettingCounts(any, {.table = table,
                                   .alternatives = {{"modulation", "addition"},
                                                    {"draw", "channel"},
                                                    {"test_signal", "sample"},
                                                    {"source", "noise"},
                                                    {"baseline", "mode"},
                                                    {"reduction", "sum"},
                                                    {"task_images", "disjoint"},
                                                    {"entropy", "released"},
                                                    {"continual_method", "mib"},
                                                    {"scene_light", "night"}},
                                   // A table sets the protocol of its rows.
                                   .users_row = *table == 0 ? "plop_policy" : "",
                                   .replaced_by_cold_start = "plop_policy_first"});
  }
}

TEST(ContinualSettingsTest, AFileOfSettingsRepeatsThem) {
  const Experiment<ContinualOptions> experiment = Make();
  internal::ExperimentOf<ContinualOptions> any(experiment), other(experiment);
  ExpectAFileRepeatsTheSettings(any, other);
}

}  // namespace
}  // namespace experiments::continual
