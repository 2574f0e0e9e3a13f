#pragma once

// The program of a paper: presets, tables of rows, and a function that runs one row. A main() states them, and
// RunExperiment does what all papers share: settings, folders, resuming, start weights, seeds, results.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/run.h"
#include "experiments/runner/table.h"
#include "experiments/settings/identity.h"
#include "experiments/settings/settings.h"

namespace experiments {

// Options has `DataOptions data`, `TrainingOptions training` and `void Settings(SettingVisitor&)`.
template <typename Options>
struct Experiment {
  std::string name;           // of the program, "rss_voc2012"
  std::string title;          // of the report
  std::string usage;          // for --help, after the name
  std::string dataset;        // what --data_root alone means, and --preset=paper
  std::string default_table;  // without --table and --method; empty: `methods`
  int64_t scene_steps = 0;    // of training on the embedded scenes; 0: the preset's
  // The presets' names and what they are for, the one for the embedded scenes first, then the one for photographs (the
  // same where there is one alone).
  std::vector<std::pair<std::string, std::string>> presets = {{"quick", "scenes"}};
  // By its name; WrongFlag for others.
  absl::StatusOr<Options> (*preset)(absl::string_view preset, absl::string_view dataset);
  // What --method chooses from by the folders of the rows; without it all that are not hidden.
  Table<Options> (*methods)(const Options&);
  std::vector<std::pair<std::string, Table<Options> (*)(const Options&)>>
      tables;  // the paper's, by the text of --table
  absl::StatusOr<RunRecord> (*run)(const Options&, const RunContext&);
  // What a row cannot do, before anything is written; may be null.
  absl::Status (*check)(const std::string& row, const Options&) = nullptr;
};

namespace internal {

struct AnyRow : RowDescription {
  SettingValues settings;
  std::function<absl::Status()> check;
  std::function<absl::StatusOr<RunRecord>(const RunContext&)> run;
};

struct AnyTable : TableDescription {
  std::vector<AnyRow> rows;
};

class AnyExperiment {
 public:
  virtual ~AnyExperiment() = default;
  virtual std::string name() const = 0;
  virtual std::string title() const = 0;
  virtual std::string usage() const = 0;
  virtual std::string dataset() const = 0;
  virtual std::string default_table() const = 0;
  virtual std::vector<std::string> tables() const = 0;
  virtual std::vector<std::pair<std::string, std::string>> presets() const = 0;
  // The options become the preset's.
  virtual absl::Status Reset(absl::string_view preset, absl::string_view dataset) = 0;
  virtual void Settings(SettingVisitor& visitor) = 0;
  virtual const DataOptions& data() const = 0;
  // With the options as they are now; by its name, empty for the methods.
  virtual AnyTable MakeTable(const std::string& table) const = 0;
};

int RunExperiment(int argc, char** argv, AnyExperiment& experiment);

template <typename Options>
class ExperimentOf : public AnyExperiment {
 public:
  explicit ExperimentOf(const Experiment<Options>& experiment) : experiment_(experiment) {}

  std::string name() const override { return experiment_.name; }
  std::string title() const override { return experiment_.title; }
  std::string usage() const override { return experiment_.usage; }
  std::string dataset() const override { return experiment_.dataset; }
  std::string default_table() const override { return experiment_.default_table; }
  std::vector<std::string> tables() const override {
    std::vector<std::string> names;
    for (const auto& [name, table] : experiment_.tables) names.push_back(name);
    return names;
  }
  std::vector<std::pair<std::string, std::string>> presets() const override { return experiment_.presets; }
  absl::Status Reset(absl::string_view preset, absl::string_view dataset) override {
    absl::StatusOr<Options> options = experiment_.preset(preset, dataset);
    if (!options.ok()) return options.status();
    options_ = *std::move(options);
    options_.data.name = std::string(dataset);
    if (dataset == "scenes" && experiment_.scene_steps > 0) options_.training.steps = experiment_.scene_steps;
    return absl::OkStatus();
  }
  void Settings(SettingVisitor& visitor) override { options_.Settings(visitor); }
  const DataOptions& data() const override { return options_.data; }

  AnyTable MakeTable(const std::string& table) const override {
    Table<Options> typed;
    if (table.empty()) typed = experiment_.methods(options_);
    for (const auto& [name, make] : experiment_.tables) {
      if (!table.empty() && name == table) typed = make(options_);
    }
    AnyTable any{static_cast<const TableDescription&>(typed), {}};
    for (Row<Options>& row : typed.rows) {
      AnyRow& added = any.rows.emplace_back(AnyRow{static_cast<const RowDescription&>(row), {}, {}, {}});
      SettingVisitor visitor;
      row.options.Settings(visitor);
      added.settings = ValuesOf(visitor);
      added.check = [this, name = row.name, options = row.options] {
        return experiment_.check == nullptr ? absl::OkStatus() : experiment_.check(name, options);
      };
      added.run = [this, options = row.options](const RunContext& context) {
        return experiment_.run(options, context);
      };
    }
    return any;
  }

 private:
  const Experiment<Options>& experiment_;
  Options options_;
};

}  // namespace internal

template <typename Options>
int RunExperiment(int argc, char** argv, const Experiment<Options>& experiment) {
  internal::ExperimentOf<Options> any(experiment);
  return internal::RunExperiment(argc, argv, any);
}

}  // namespace experiments
