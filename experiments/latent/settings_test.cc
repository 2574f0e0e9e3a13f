// Every setting of every latent-space program, changed once: a finished run, a checkpoint and a file of settings all
// see it.

#include "experiments/runner/settings_contract.h"

#include <gtest/gtest.h>

#include <string>

#include "experiments/latent/run.h"
#include "experiments/latent/tables.h"

namespace experiments::latent {
namespace {

Experiment<LatentOptions> Make(const std::string& name, const std::string& dataset) {
  Experiment<LatentOptions> experiment = BaseExperiment();
  experiment.name = name;
  experiment.dataset = dataset;
  experiment.tables.insert(experiment.tables.end(), {{"1", TableOne},
                                                     {"2", TableTwo<Quoted::kAde20k>},
                                                     {"4", TableFour},
                                                     {"5b", TableFiveB},
                                                     {"6", TableSix},
                                                     {"8", TableEight}});
  return experiment;
}

void Check(const std::string& name, const std::string& dataset, const std::string& table) {
  const Experiment<LatentOptions> experiment = Make(name, dataset);
  internal::ExperimentOf<LatentOptions> any(experiment);
  ExpectEverySettingCounts(any, {.table = table,
                                 .alternatives = {{"modulation", "addition"},
                                                  {"draw", "channel"},
                                                  {"test_signal", "sample"},
                                                  {"source", "noise"},
                                                  {"baseline", "mode"},
                                                  {"reduction", "sum"},
                                                  {"target", "scenes:night"}},
                                 .users_row = table.empty() || table == "1" ? "method" : ""});
}

TEST(LatentSettingsTest, EverySettingOfEveryProgramCounts) {
  Check("latent_voc2012", "voc2012", "");
  Check("latent_voc2012", "voc2012", "1");
  Check("latent_cross_domain", "cityscapes", "4");
  Check("latent_voc2012", "voc2012", "5b");
  Check("latent_voc2012", "voc2012", "6");
  Check("latent_voc2012", "voc2012", "8");
  Check("latent_voc2012", "voc2012", "controls");
  Check("latent_voc2012", "voc2012", "trained");
  Check("latent_ade20k", "ade20k", "2");
}

TEST(LatentSettingsTest, AFileOfSettingsRepeatsThem) {
  const Experiment<LatentOptions> experiment = Make("latent_voc2012", "voc2012");
  internal::ExperimentOf<LatentOptions> any(experiment), other(experiment);
  ExpectAFileRepeatsTheSettings(any, other);
}

}  // namespace
}  // namespace experiments::latent
