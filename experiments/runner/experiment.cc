#include "experiments/runner/experiment.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "autograd/runtime/atomic_file.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/interrupt.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"
#include "experiments/runner/results.h"
#include "experiments/settings/arguments.h"

namespace experiments::internal {
namespace {

// What is run, and where it is written: the settings that every experiment has.
struct Selection {
  std::string method, table, preset;
  std::vector<std::string> rows;
  int seeds = 1;
  uint64_t seed = 0;
  std::string output;
  bool resume = false;
  std::string settings;

  void Settings(SettingVisitor& visitor, const AnyExperiment& experiment) {
    const auto free = [](BoundSetting& setting) { setting.Role(SettingRole::kFree); };
    visitor.Group("What to run");
    free(visitor.Setting("method", method, "compare, or rows of it: psl, …; default: the program's table"));
    free(visitor.Setting("table", table,
                         absl::StrCat("rows of a table of the paper: ", absl::StrJoin(experiment.tables(), " "))));
    free(visitor.Setting("rows", rows, "of the table, by folder; others are shown if they ran before"));
    free(visitor.Setting("seeds", seeds, "how many; results are mean and standard deviation", AtLeast(1)));
    free(visitor.Setting("seed", seed, "the first one"));
    free(visitor.Setting("preset", preset,
                         absl::StrCat(absl::StrJoin(experiment.presets(), "), ", absl::PairFormatter(" (")), ")")));
    free(visitor.Path("output", output, "folder of all that is written; default: a new runs/PROGRAM_NNN"));
    free(visitor.Setting("resume", resume, "go on, with its own settings, where the run in --output stopped"));
    free(visitor.Path("settings", settings, "a file of settings, such as the one in a run's folder"));
  }
};

std::string TextOf(const std::vector<Assignment>& assignments, const char* name) {
  const Assignment* found = FindAssignment(assignments, name);
  return found == nullptr ? std::string() : found->text;
}

// Photographs are meant where their folder is given, and have a preset of their own.
std::string DatasetName(const AnyExperiment& experiment, const std::vector<Assignment>& assignments) {
  if (FindAssignment(assignments, "dataset") != nullptr) return TextOf(assignments, "dataset");
  const bool photographs = !TextOf(assignments, "data_root").empty() || TextOf(assignments, "preset") == "paper";
  return photographs ? experiment.dataset() : "scenes";
}
std::string PresetName(const AnyExperiment& experiment, const std::string& dataset,
                       const std::vector<Assignment>& assignments) {
  const std::string preset = TextOf(assignments, "preset");
  if (!preset.empty()) return preset;
  const auto presets = experiment.presets();
  return presets[dataset == "scenes" || presets.size() == 1 ? 0 : 1].first;
}

// An argument as one types it in a shell.
std::string ShellText(absl::string_view argument) {
  const bool plain = !argument.empty() && std::all_of(argument.begin(), argument.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("_-+=./:,@%", c);
  });
  return plain ? std::string(argument) : absl::StrCat("'", absl::StrReplaceAll(argument, {{"'", "'\\''"}}), "'");
}

std::string SettingsPath(const std::string& folder) { return absl::StrCat(folder, "/settings"); }

// Whether a row below `folder` has written a checkpoint or a result.
bool HoldsRun(const std::string& folder) {
  std::error_code error;
  std::filesystem::recursive_directory_iterator it(folder, error), end;
  for (; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "scores.json" || (absl::StartsWith(name, "step_") && absl::EndsWith(name, ".safetensors"))) return true;
  }
  return false;
}

class Program {
 public:
  Program(AnyExperiment& experiment, Selection& selection, SettingVisitor& settings, Execution& execution,
          const InterruptHandler& interrupt, std::string command)
      : experiment_(experiment),
        selection_(selection),
        settings_(settings),
        execution_(execution),
        interrupt_(interrupt),
        command_(std::move(command)) {}

  // `given` by the command line and --settings.
  absl::Status Run(const std::vector<Assignment>& given);

 private:
  // Takes the folder to go on in, or else, once the data could be opened, makes one.
  absl::Status TakeFolder();
  absl::Status Configure(const std::vector<Assignment>& given);
  absl::Status ChooseTable();
  // Once. Of a run that goes on only when a row has been accepted: settings that are refused must not take the place of
  // its own.
  absl::Status WriteSettings();
  bool Wanted(const AnyRow& row) const;
  std::optional<size_t> Find(const std::string& folder) const;
  RunContext ContextOf(const AnyRow& row, uint64_t seed);
  // The record of a row, run now unless it is there; nothing where the row is skipped.
  absl::StatusOr<std::optional<RunRecord>> RunRow(const AnyRow& row, uint64_t seed);
  absl::StatusOr<std::string> StartWeights(const AnyRow& row, uint64_t seed);

  AnyExperiment& experiment_;
  Selection& selection_;
  SettingVisitor& settings_;
  Execution& execution_;
  const InterruptHandler& interrupt_;
  const std::string command_;

  std::string table_name_;
  AnyTable table_;
  std::vector<std::string> wanted_;
  std::optional<OutputFolder> locked_;  // the first rank's
  std::string folder_;
  bool goes_on_ = false, settings_written_ = false;
  int64_t stopped_step_ = 0;
};

absl::Status Program::TakeFolder() {
  if (!folder_.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> folder = FromFirstRank(execution_.collective(), [&]() -> absl::StatusOr<std::string> {
    absl::StatusOr<OutputFolder> opened =
        OutputFolder::Open(selection_.output, absl::StrCat("runs/", experiment_.name()), selection_.resume);
    if (!opened.ok()) return opened.status();
    locked_.emplace(*std::move(opened));
    if (!selection_.resume && HoldsRun(locked_->path()))
      return absl::FailedPreconditionError(absl::StrCat(
          "--output: ", locked_->path(), " already holds a run: --resume goes on with it, or choose another folder"));
    return locked_->path();
  });
  if (!folder.ok()) return folder.status();
  folder_ = *std::move(folder);
  return absl::OkStatus();
}

absl::Status Program::Configure(const std::vector<Assignment>& given) {
  std::vector<Assignment> saved;
  if (selection_.resume) {
    std::error_code error;
    // A job script may always pass --resume: a folder that is not there is a new run.
    const bool is_new = !selection_.output.empty() && !std::filesystem::exists(selection_.output, error);
    if (!is_new) {
      if (absl::Status status = TakeFolder(); !status.ok()) return status;
      if (std::filesystem::exists(SettingsPath(folder_), error)) {
        goes_on_ = true;
        absl::StatusOr<std::vector<Assignment>> read = ReadSettingsFile(SettingsPath(folder_), settings_);
        if (!read.ok()) return read.status();
        const bool other_rows = FindAssignment(given, "table") != nullptr || FindAssignment(given, "method") != nullptr;
        for (Assignment& assignment : *read) {
          const std::string& name = assignment.name;
          // Where the run is now, and not where it was; and the rows that are asked for now.
          if (name == "output" || name == "resume" || name == "settings") continue;
          if (other_rows && (name == "table" || name == "method")) continue;
          saved.push_back(std::move(assignment));
        }
      }
    }
  }
  std::vector<Assignment> all = saved;
  all.insert(all.end(), given.begin(), given.end());
  const std::string dataset = DatasetName(experiment_, all);
  const std::string preset = PresetName(experiment_, dataset, all);
  if (absl::Status status = experiment_.Reset(preset, dataset); !status.ok()) return status;
  std::vector<std::string> notes;
  if (absl::Status status = Apply(saved, settings_); !status.ok()) return status;
  if (absl::Status status = Apply(given, settings_, &notes); !status.ok()) return status;
  selection_.preset = preset;
  if (execution_.first_rank()) {
    for (const std::string& note : notes) std::cerr << experiment_.name() << ": " << note << "\n";
  }
  if (absl::Status status = CheckBounds(settings_); !status.ok()) return status;

  std::vector<std::pair<std::string, std::string>> before;
  for (const Assignment& assignment : saved) before.push_back({assignment.name, assignment.text});
  SettingValues now;  // a setting that the run did not have yet stays as the preset has it
  for (const SettingValue& value : ValuesOf(settings_)) {
    if (FindAssignment(saved, value.name) != nullptr) now.push_back(value);
  }
  if (const auto other = Differences(before, now, SettingRole::kResult); !other.empty())
    return WrongFlag(absl::StrCat("--resume: the run in ", folder_, " has other settings: ", ToString(other),
                                  "; leave them out to go on, or choose another --output"));
  return absl::OkStatus();
}

absl::Status Program::ChooseTable() {
  if (!selection_.table.empty() && !selection_.method.empty())
    return WrongFlag("--table and --method: one of them says which rows are run");
  const std::vector<std::string> tables = experiment_.tables();
  table_name_ = selection_.method.empty() && selection_.table.empty() ? experiment_.default_table() : selection_.table;
  if (!table_name_.empty() && std::find(tables.begin(), tables.end(), table_name_) == tables.end())
    return WrongFlag(absl::StrCat("--table=", table_name_, " is not one of ", absl::StrJoin(tables, ", ")));
  table_ = experiment_.MakeTable(table_name_);
  const auto folders = [&] {
    std::vector<std::string> names;
    for (const AnyRow& row : table_.rows) {
      if (!row.only_seed.has_value()) names.push_back(row.folder);
    }
    return absl::StrJoin(names, ", ");
  };
  if (!selection_.method.empty() && selection_.method != "compare") {
    // Only these rows, hidden ones too, and unseen what they begin with.
    std::vector<AnyRow> chosen;
    for (const absl::string_view method : absl::StrSplit(selection_.method, ',')) {
      const std::optional<size_t> row = Find(std::string(method));
      if (!row.has_value())
        return WrongFlag(absl::StrCat("--method=", method, " is not compare, or one or more of ", folders()));
      chosen.push_back(table_.rows[*row]);
      chosen.back().hidden = false;
    }
    for (const AnyRow& row : table_.rows) {
      const bool taken =
          std::any_of(chosen.begin(), chosen.end(), [&](const AnyRow& other) { return other.folder == row.folder; });
      const bool begins_one =
          std::any_of(chosen.begin(), chosen.end(), [&](const AnyRow& other) { return other.start == row.folder; });
      if (taken || !(row.hidden || begins_one)) continue;
      chosen.push_back(row);
      chosen.back().hidden = true;
    }
    table_.rows = std::move(chosen);
  }
  for (const std::string& name : selection_.rows) {
    const std::optional<size_t> row = Find(name);
    if (!row.has_value())
      return WrongFlag(absl::StrCat("--rows: this table has no row ", name, "; it has ", folders()));
    table_.rows[*row].hidden = false;
  }
  for (const AnyRow& row : table_.rows) {
    if (!Wanted(row)) continue;
    if (absl::Status status = row.check(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

bool Program::Wanted(const AnyRow& row) const {
  const std::vector<std::string>& rows = selection_.rows;
  return !row.hidden && (rows.empty() || std::find(rows.begin(), rows.end(), row.folder) != rows.end());
}

std::optional<size_t> Program::Find(const std::string& folder) const {
  for (size_t i = 0; i < table_.rows.size(); ++i) {
    if (table_.rows[i].folder == folder) return i;
  }
  return std::nullopt;
}

absl::Status Program::WriteSettings() {
  if (settings_written_ || !execution_.first_rank()) return absl::OkStatus();
  settings_written_ = true;
  return autograd::WriteFileAtomically(SettingsPath(folder_),
                                       SettingsText(settings_, absl::StrCat("Settings of a run of ", experiment_.name(),
                                                                            ", which --settings=FILE repeats.")));
}

RunContext Program::ContextOf(const AnyRow& row, uint64_t seed) {
  RunContext context(execution_.collective(), interrupt_);
  const uint64_t own_seed = row.only_seed.value_or(seed);
  const bool by_seed = !row.only_seed.has_value() && (selection_.seeds > 1 || !table_name_.empty());
  context.label = row.name;
  context.folder = absl::StrCat(folder_, "/", row.folder, by_seed ? absl::StrCat("/seed_", own_seed) : std::string());
  context.key = autograd::RandomKey(own_seed);
  context.resume = selection_.resume || row.only_seed.has_value();
  context.settings = row.settings;
  context.settings.push_back({"seed", absl::StrCat(own_seed)});
  context.settings.push_back({"start", row.start});
  context.accepted = [this] { return WriteSettings(); };
  return context;
}

absl::StatusOr<std::string> Program::StartWeights(const AnyRow& row, uint64_t seed) {
  const std::optional<size_t> start = Find(row.start);
  if (!start.has_value()) return std::string();
  const absl::StatusOr<std::optional<RunRecord>> record = RunRow(table_.rows[*start], seed);
  if (!record.ok()) return record.status();
  if (!record->has_value()) return std::string();
  return absl::StrCat(ContextOf(table_.rows[*start], seed).folder, "/weights.safetensors");
}

absl::StatusOr<std::optional<RunRecord>> Program::RunRow(const AnyRow& row, uint64_t seed) {
  RunContext context = ContextOf(row, seed);
  // Another row of this table may have needed it already.
  if (absl::StatusOr<RunRecord> record = ReadRecord(context); record.ok()) {
    return std::optional<RunRecord>(*std::move(record));
  } else if (!absl::IsNotFound(record.status()) && !absl::IsOutOfRange(record.status())) {
    return record.status();
  }
  if (!row.start.empty()) {
    absl::StatusOr<std::string> weights = StartWeights(row, seed);
    if (!weights.ok()) return weights.status();
    if (weights->empty()) {
      std::printf("%s: skipped, it needs --cold_start=weights.safetensors of a network trained on another dataset\n",
                  row.name.c_str());
      return std::optional<RunRecord>();
    }
    context.start_weights = *std::move(weights);
  }
  std::printf("\n%s, seed %s\n", row.name.c_str(), absl::StrCat(row.only_seed.value_or(seed)).c_str());
  std::fflush(stdout);
  absl::StatusOr<RunRecord> record = row.run(context);
  if (!record.ok()) return record.status();
  if (record->interrupted) {
    stopped_step_ = record->steps;
    return Stopped(interrupt_.signal() != 0 ? interrupt_.signal() : SIGTERM);  // the signal of another rank
  }
  if (context.first_rank()) {
    if (absl::Status status = WriteRecord(context, *record); !status.ok()) return status;
  }
  execution_.collective().Barrier();  // every rank finds the record
  return std::optional<RunRecord>(*std::move(record));
}

absl::Status Program::Run(const std::vector<Assignment>& given) {
  if (absl::Status status = Configure(given); !status.ok()) return status;
  if (absl::Status status = ChooseTable(); !status.ok()) return status;
  // The data is opened once before anything is written, so that a wrong path costs nothing.
  const absl::StatusOr<OpenedData> data = OpenData(experiment_.data());
  if (!data.ok()) return data.status();
  if (absl::Status status = CheckFiles(*data, [this] { return interrupt_.stop_requested(); }); !status.ok())
    return interrupt_.stop_requested() ? Stopped(interrupt_.signal()) : status;
  if (absl::Status status = TakeFolder(); !status.ok()) return status;
  if (!goes_on_) {
    if (absl::Status status = WriteSettings(); !status.ok()) return status;
  }

  std::printf("%s\n  table   %s\n  data    %s\n  preset  %s\n  device  %s\n  output  %s\n", experiment_.title().c_str(),
              table_.title.c_str(), data->description.c_str(), selection_.preset.c_str(),
              execution_.Description().c_str(), folder_.c_str());
  for (const std::string& note : data->notes) std::printf("  note    %s\n", note.c_str());
  std::fflush(stdout);

  std::vector<RowDescription> shown;
  for (const AnyRow& row : table_.rows) {
    if (!row.hidden) shown.push_back(row);
  }
  std::vector<std::pair<std::string, std::string>> settings;
  for (const SettingValue& setting : ValuesOf(settings_)) settings.push_back({setting.name, setting.value});
  Results results(table_, shown,
                  {.title = experiment_.title(),
                   .dataset = experiment_.data().name,
                   .data = data->description,
                   .folder = folder_,
                   .command = command_,
                   .settings = std::move(settings)});
  const bool first_rank = execution_.first_rank();
  for (int i = 0; i < selection_.seeds; ++i) {
    const uint64_t seed = selection_.seed + static_cast<uint64_t>(i);
    std::vector<std::string> done;  // rows of one folder are one run
    for (const AnyRow& row : table_.rows) {
      if (row.hidden || std::find(done.begin(), done.end(), row.folder) != done.end()) continue;
      done.push_back(row.folder);
      if (!Wanted(row)) {
        if (const absl::StatusOr<RunRecord> record = ReadRecord(ContextOf(row, seed)); record.ok())
          results.Add(row.folder, *record);
        continue;
      }
      const absl::StatusOr<std::optional<RunRecord>> record = RunRow(row, seed);
      if (SignalOf(record.status()) != 0) {
        std::printf("\nStopped after step %lld; everything is saved. Go on with --resume --output=%s\n",
                    static_cast<long long>(stopped_step_), ShellText(folder_).c_str());
        if (first_rank) {
          if (absl::Status status = results.Write(); !status.ok()) return status;
        }
        return record.status();
      }
      if (!record.ok()) return record.status();
      if (!record->has_value()) continue;
      results.Add(row.folder, **record);
      if (first_rank) {
        if (absl::Status status = results.Write(); !status.ok()) return status;
      }
    }
  }
  std::printf("\n%s\n", results.Text().c_str());
  return first_rank ? results.Write() : absl::OkStatus();
}

}  // namespace

int RunExperiment(int argc, char** argv, AnyExperiment& experiment) {
  const InterruptHandler interrupt;  // before any other thread
  std::string command = absl::StrCat("bazel run //experiments:", experiment.name(), " --");
  for (int i = 1; i < argc; ++i) absl::StrAppend(&command, " ", ShellText(argv[i]));
  return RunProgram(experiment.name(), [&]() -> absl::Status {
    if (absl::Status status = experiment.Reset(experiment.presets()[0].first, "scenes"); !status.ok()) return status;
    Selection selection;
    ExecutionOptions execution_options;
    SettingVisitor settings;
    selection.Settings(settings, experiment);
    experiment.Settings(settings);
    execution_options.Settings(settings);
    const absl::StatusOr<Arguments> arguments =
        ParseArguments(std::vector<const char*>(argv + 1, argv + argc), settings);
    if (!arguments.ok()) return arguments.status();
    std::vector<Assignment> given;
    if (const std::string path = ResolvePath(TextOf(arguments->assignments, "settings")); !path.empty()) {
      absl::StatusOr<std::vector<Assignment>> read = ReadSettingsFile(path, settings);
      if (!read.ok()) return absl::Status(read.status().code(), absl::StrCat("--settings: ", read.status().message()));
      for (Assignment& assignment : *read) {
        const bool of_that_run =
            assignment.name == "output" || assignment.name == "resume" || assignment.name == "settings";
        if (!of_that_run) given.push_back(std::move(assignment));
      }
    }
    given.insert(given.end(), arguments->assignments.begin(), arguments->assignments.end());
    if (arguments->help) {
      const std::string dataset = DatasetName(experiment, given);
      selection.preset = PresetName(experiment, dataset, given);
      if (absl::Status status = experiment.Reset(selection.preset, dataset); !status.ok()) return status;
      const std::string preset = selection.preset;
      if (absl::Status status = Apply(given, settings); !status.ok()) return status;
      selection.preset = preset;
      PrintHelp(experiment.name(), experiment.usage(), settings);
      return absl::OkStatus();
    }
    // Where the program runs, and where it writes, must be known before the settings of a run that goes on can be.
    if (absl::Status status = Apply(given, settings); !status.ok()) return status;
    if (selection.resume) {
      // A run goes on where it ran: on its device, with its threads.
      const std::string folder = FindOutputFolder(selection.output, absl::StrCat("runs/", experiment.name()));
      std::error_code error;
      if (!folder.empty() && std::filesystem::exists(SettingsPath(folder), error)) {
        const absl::StatusOr<std::vector<Assignment>> saved = ReadSettingsFile(SettingsPath(folder), settings);
        if (!saved.ok()) return saved.status();
        SettingVisitor of_execution;
        execution_options.Settings(of_execution);
        for (const Assignment& assignment : *saved) {
          if (of_execution.Find(assignment.name) == nullptr || FindAssignment(given, assignment.name) != nullptr)
            continue;
          if (absl::Status status = Apply({&assignment, 1}, settings); !status.ok()) return status;
        }
      }
    }
    if (absl::Status status = CheckBounds(settings); !status.ok()) return status;
    const absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::Open(execution_options);
    if (!execution.ok()) return execution.status();
    // A reader of the output that leaves (| head) ends no run: RunProgram says what could not be written.
    std::signal(SIGPIPE, SIG_IGN);
    Program program(experiment, selection, settings, **execution, interrupt, command);
    return (*execution)->Run([&] { return program.Run(given); });
  });
}

}  // namespace experiments::internal
