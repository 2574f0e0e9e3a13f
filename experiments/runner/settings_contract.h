#pragma once

// What the settings of every program must do, for the tests of the papers: a finished run, a checkpoint and a file of
// settings see each of them.

#include <map>
#include <string>

#include "experiments/runner/experiment.h"

namespace experiments {

struct SettingsContract {
  std::string table;  // of the experiment; empty: the methods
  // Other allowed values for settings that are neither numbers nor switches, beside those of the shared ones.
  std::map<std::string, std::string> alternatives = {};
  // The folder of the row in which every flag has the value that the user gives; empty: there is none.
  std::string users_row = {};
  // Rows that are not there once a network of --cold_start takes their place.
  std::string replaced_by_cold_start = {};
};

// Changes every setting of the embedded scenes' preset once, for every row of the table. Where the new value reaches
// the row, its finished run is refused with the setting's name (roles kResult and kLength), and so is, for the first
// row, a checkpoint (kResult); for role kFree the run is accepted. Writes below testing::TempDir().
void ExpectEverySettingCounts(internal::AnyExperiment& experiment, const SettingsContract& contract);

// The file of settings that `experiment` with the photographs' preset writes makes `other`, with the scenes' preset,
// its equal.
void ExpectAFileRepeatsTheSettings(internal::AnyExperiment& experiment, internal::AnyExperiment& other);

}  // namespace experiments
