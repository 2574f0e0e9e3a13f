#include "experiments/runner/settings_contract.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "autograd/runtime/atomic_file.h"
#include "experiments/runner/networks.h"
#include "experiments/runner/training.h"
#include "experiments/settings/arguments.h"

namespace experiments {
namespace {

// Another value that is allowed.
std::string Alternative(const BoundSetting& setting, const std::map<std::string, std::string>& own) {
  static const std::map<std::string, std::string> shared = {
      {"dataset", "camvid"}, {"model", "atto"},          {"precision", "bfloat16"},
      {"optimizer", "sgd"},  {"average_logits", "true"}, {"window", "64"},
      {"stride", "32"},      {"drop_path", "0.25"},      {"scene_light", "night"},
  };
  for (const auto* alternatives : {&own, &shared}) {
    if (const auto found = alternatives->find(setting.name); found != alternatives->end()) return found->second;
  }
  const std::string now = setting.text();
  if (now == "true" || now == "false") return now == "true" ? "false" : "true";
  double number = 0;
  if (!absl::SimpleAtod(now, &number)) return "/somewhere/else";
  for (const double other : {number + 1, number / 2, number + 0.25, number - 1}) {
    if (other != number && setting.bounds.Contain(other)) return absl::StrCat(other);
  }
  return "";
}

class NoLearner : public Learner {
 public:
  absl::StatusOr<int64_t> Run(int64_t, int64_t last, const StepSink& done) override {
    if (absl::StatusOr<bool> go_on = done(last, {}); !go_on.ok()) return go_on.status();
    return last;
  }
  void Fields(nn::FieldVisitor&) override {}
};

// One step of a run that learns nothing: a checkpoint with the settings of `context`.
absl::Status WriteCheckpoint(const RunContext& context) {
  DataOptions scenes;
  scenes.crop = 32;
  const OpenedData data = *OpenData(scenes);
  const std::unique_ptr<Network> network = *MakeNetwork("micro", 6, autograd::RandomKey(0));
  NetworkDescription description;
  description.model = "micro";
  description.info = data.validation->info();
  NoLearner learner;
  TrainingOptions options;
  options.steps = 1;
  options.evaluation_images = 1;
  return Train(options, learner, *network, data, description, context).status();
}

// Of the row of that folder or name, one of which a setting may be in.
SettingValues SettingsOf(const internal::AnyExperiment& experiment, const std::string& table,
                         const internal::AnyRow& row) {
  for (const internal::AnyRow& candidate : experiment.MakeTable(table).rows) {
    if (candidate.folder == row.folder || candidate.name == row.name) return candidate.settings;
  }
  return {};
}

std::string ValueIn(const SettingValues& settings, const std::string& name) {
  for (const SettingValue& value : settings) {
    if (value.name == name) return value.value;
  }
  return "not there";
}

class Contract {
 public:
  Contract(internal::AnyExperiment& experiment, const SettingsContract& contract)
      : experiment_(experiment), contract_(contract) {}

  void Check() {
    SCOPED_TRACE(absl::StrCat(experiment_.name(), " --table=", contract_.table));
    ASSERT_TRUE(experiment_.Reset("quick", "scenes").ok());
    experiment_.Settings(settings_);
    const std::vector<internal::AnyRow> rows = experiment_.MakeTable(contract_.table).rows;
    for (size_t row = 0; row < rows.size(); ++row) CheckRow(rows[row], row == 0);
  }

 private:
  // A checkpoint is made for one row, as it takes time; finished runs, which compare in the same way, for all.
  void CheckRow(const internal::AnyRow& row, bool with_checkpoint) {
    static const InterruptHandler interrupt;
    autograd::OneRank alone;
    RunContext context(alone, interrupt);
    context.label = row.name;
    context.folder = absl::StrCat(::testing::TempDir(), "/", experiment_.name(), "_", contract_.table, "_", row.folder);
    context.settings = row.settings;
    std::filesystem::remove_all(context.folder);
    if (with_checkpoint) {
      const absl::Status trained = WriteCheckpoint(context);
      ASSERT_TRUE(trained.ok()) << trained;
    } else {
      std::filesystem::create_directories(context.folder);
    }
    ASSERT_TRUE(WriteRecord(context, RunRecord()).ok());
    ASSERT_TRUE(ReadRecord(context).ok());

    for (BoundSetting& setting : settings_.settings()) {
      SCOPED_TRACE(absl::StrCat(row.name, ", --", setting.name));
      const std::string original = setting.text(), alternative = Alternative(setting, contract_.alternatives);
      std::string error;
      ASSERT_TRUE(setting.parse(alternative, error)) << alternative << error;
      ASSERT_TRUE(setting.within_bounds()) << alternative;
      ASSERT_NE(setting.text(), original);
      RunContext now = context;
      now.settings = SettingsOf(experiment_, contract_.table, row);
      if (now.settings.empty()) {
        EXPECT_EQ(setting.name, "cold_start");
        EXPECT_EQ(row.folder, contract_.replaced_by_cold_start);
      } else {
        CheckChanged(setting, row, now, with_checkpoint);
      }
      ASSERT_TRUE(setting.parse(original, error)) << original << error;
    }
  }

  void CheckChanged(const BoundSetting& setting, const internal::AnyRow& row, RunContext now, bool with_checkpoint) {
    // The row may have a value of its own there, which the setting does not reach; then nothing has changed.
    const std::string value = ValueIn(now.settings, setting.name);
    EXPECT_NE(value, "not there");
    const bool reaches = value != ValueIn(row.settings, setting.name);
    if (row.folder == contract_.users_row && setting.is_flag) {
      EXPECT_TRUE(reaches);
    }
    const std::string named = absl::StrCat("--", setting.name, " is ");
    const absl::Status finished = ReadRecord(now).status();
    if (!reaches || setting.role == SettingRole::kFree) {
      EXPECT_TRUE(finished.ok()) << finished;
    } else {
      EXPECT_EQ(finished.code(), setting.role == SettingRole::kResult ? absl::StatusCode::kFailedPrecondition
                                                                      : absl::StatusCode::kOutOfRange);
      EXPECT_TRUE(absl::StrContains(finished.message(), named)) << finished;
    }
    if (with_checkpoint && reaches && setting.role == SettingRole::kResult) {
      now.resume = true;
      const absl::Status refused = WriteCheckpoint(now);
      EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
      EXPECT_TRUE(absl::StrContains(refused.message(), named)) << refused;
    }
    // The file of a run's folder, which also is the list of the report.
    if (setting.is_flag) {
      EXPECT_TRUE(
          absl::StrContains(SettingsText(settings_, ""), absl::StrCat("\n", setting.name, "=", setting.text())));
    }
  }

  internal::AnyExperiment& experiment_;
  const SettingsContract& contract_;
  SettingVisitor settings_;
};

}  // namespace

void ExpectEverySettingCounts(internal::AnyExperiment& experiment, const SettingsContract& contract) {
  Contract(experiment, contract).Check();
}

void ExpectAFileRepeatsTheSettings(internal::AnyExperiment& experiment, internal::AnyExperiment& other) {
  ASSERT_TRUE(experiment.Reset("camvid", "camvid").ok());
  ASSERT_TRUE(other.Reset("quick", "scenes").ok());
  SettingVisitor settings, others;
  experiment.Settings(settings);
  other.Settings(others);
  ASSERT_NE(SettingsText(settings, ""), SettingsText(others, ""));
  const std::string path = absl::StrCat(::testing::TempDir(), "/settings");
  ASSERT_TRUE(autograd::WriteFileAtomically(path, SettingsText(settings, "")).ok());
  const absl::StatusOr<std::vector<Assignment>> read = ReadSettingsFile(path, others);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(Apply(*read, others).ok());
  EXPECT_EQ(SettingsText(settings, ""), SettingsText(others, ""));
}

}  // namespace experiments
