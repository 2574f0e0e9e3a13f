// Every setting of every CiSS-Net program, changed once: a finished run, a checkpoint and a file of settings all see
// it.

#include "experiments/runner/settings_contract.h"

#include <gtest/gtest.h>

#include <string>

#include "experiments/ciss/run.h"
#include "experiments/ciss/tables.h"

namespace experiments::ciss {
namespace {

Experiment<CissOptions> Make(const std::string& name, const std::string& dataset) {
  Experiment<CissOptions> experiment = BaseExperiment();
  experiment.name = name;
  experiment.dataset = dataset;
  experiment.tables.insert(experiment.tables.end(), {{"1", TableOne<Quoted::kAde20k>},
                                                     {"2", TableTwo<Quoted::kCityscapes>},
                                                     {"4", TableFour<Quoted::kAde20k>},
                                                     {"7", TableSeven}});
  return experiment;
}

void Check(const std::string& name, const std::string& dataset, const std::string& table) {
  const Experiment<CissOptions> experiment = Make(name, dataset);
  internal::ExperimentOf<CissOptions> any(experiment);
  ExpectEverySettingCounts(any, {.table = table,
                                 .alternatives = {{"context", "confident"}},
                                 .users_row = table.empty() || table == "1" || table == "7" ? "ciss" : "",
                                 .replaced_by_cold_start = "pspnet"});
}

TEST(CissSettingsTest, EverySettingOfEveryProgramCounts) {
  Check("ciss_ade20k", "ade20k", "");
  Check("ciss_ade20k", "ade20k", "1");
  Check("ciss_ade20k", "ade20k", "4");
  Check("ciss_ade20k", "ade20k", "controls");
  Check("ciss_cityscapes", "cityscapes", "2");
  Check("ciss_pascal_context", "pascal_context_60", "7");
}

TEST(CissSettingsTest, AFileOfSettingsRepeatsThem) {
  const Experiment<CissOptions> experiment = Make("ciss_ade20k", "ade20k");
  internal::ExperimentOf<CissOptions> any(experiment), other(experiment);
  ExpectAFileRepeatsTheSettings(any, other);
}

}  // namespace
}  // namespace experiments::ciss
