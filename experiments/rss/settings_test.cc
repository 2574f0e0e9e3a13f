// Every setting of every RSS program, changed once: a finished run, a checkpoint and a file of settings all see it.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "autograd/runtime/atomic_file.h"
#include "experiments/rss/run.h"
#include "experiments/runner/experiment.h"
#include "experiments/runner/networks.h"
#include "experiments/runner/training.h"
#include "experiments/settings/arguments.h"

namespace experiments::rss {
namespace {

// Another value that is allowed.
std::string Alternative(const BoundSetting& setting) {
  static const std::map<std::string, std::string> alternatives = {
      {"dataset", "camvid"},       {"model", "atto"},         {"precision", "bfloat16"},
      {"optimizer", "sgd"},        {"advantage", "grpo"},     {"normalization", "all"},
      {"reward_classes", "union"}, {"reward", "exec:true"},   {"reward_scales", "32,1"},
      {"average_logits", "true"},  {"window", "64"},          {"stride", "32"},
      {"drop_path", "0.25"},       {"supervision", "labels"}, {"test_scales", "0.5"},
  };
  if (const auto found = alternatives.find(setting.name); found != alternatives.end()) return found->second;
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

DataOptions SmallScenes() {
  DataOptions options;
  options.crop = 32;
  return options;
}

struct Program {
  const char* name;
  const char* dataset;
  const char* table;
};

Experiment<RssOptions> Make(const Program& program) {
  Experiment<RssOptions> experiment = BaseExperiment();
  experiment.name = program.name;
  experiment.dataset = program.dataset;
  experiment.default_table = program.table;
  return experiment;
}

void ExpectEverySettingCounts(const Program& program) {
  SCOPED_TRACE(program.name);
  const Experiment<RssOptions> experiment = Make(program);
  internal::ExperimentOf<RssOptions> any(experiment);
  ASSERT_TRUE(any.Reset("quick", "scenes").ok());
  SettingVisitor settings;
  any.Settings(settings);
  static const InterruptHandler interrupt;
  autograd::OneRank alone;

  const OpenedData data = *OpenData(SmallScenes());
  const std::unique_ptr<Network> network = *MakeNetwork("micro", 6, autograd::RandomKey(0));
  NetworkDescription description;
  description.model = "micro";
  description.info = data.validation->info();
  const auto train = [&](const RunContext& context) {
    NoLearner learner;
    TrainingOptions training;
    training.steps = 1;
    OpenedData opened = *OpenData(SmallScenes());
    opened.inference = data.inference;
    TrainingOptions options = training;
    options.evaluation_images = 1;
    return Train(options, learner, *network, opened, description, context).status();
  };

  for (size_t row = 0; row < any.MakeTable(program.table).rows.size(); ++row) {
    const std::string name = any.MakeTable(program.table).rows[row].name;
    const auto context_of = [&] {
      RunContext context(alone, interrupt);
      context.label = name;
      context.folder = absl::StrCat(::testing::TempDir(), "/", program.name, "_", row);
      for (const internal::AnyRow& candidate : any.MakeTable(program.table).rows) {
        if (candidate.name == name) context.settings = candidate.settings;
      }
      return context;
    };
    const RunContext before = context_of();
    std::filesystem::remove_all(before.folder);
    // A checkpoint once, as it takes time; the finished run, which compares in the same way, for every row.
    const bool with_checkpoint = row == 0;
    if (with_checkpoint) {
      ASSERT_TRUE(train(before).ok()) << train(before);
    } else {
      std::filesystem::create_directories(before.folder);
    }
    ASSERT_TRUE(WriteRecord(before, RunRecord()).ok());
    ASSERT_TRUE(ReadRecord(before).ok());

    for (BoundSetting& setting : settings.settings()) {
      SCOPED_TRACE(absl::StrCat(before.label, ", --", setting.name));
      const std::string original = setting.text(), alternative = Alternative(setting);
      std::string error;
      ASSERT_TRUE(setting.parse(alternative, error)) << alternative << error;
      ASSERT_TRUE(setting.within_bounds()) << alternative;
      ASSERT_NE(setting.text(), original);
      const RunContext now = context_of();
      if (now.settings.empty()) {
        // The network of --cold_start takes the place of the row that makes one.
        EXPECT_TRUE(setting.name == "cold_start" && name == "cold start");
        ASSERT_TRUE(setting.parse(original, error));
        continue;
      }

      // The row may have a value of its own there, which the setting does not reach; then nothing has changed.
      const auto value_in = [&](const RunContext& context) {
        for (const SettingValue& value : context.settings) {
          if (value.name == setting.name) return value.value;
        }
        return std::string("not there");
      };
      EXPECT_NE(value_in(now), "not there");
      const bool reaches = value_in(now) != value_in(before);
      // In the methods' row of the image-level reward everything is the user's.
      if (before.label == "RSS (image-level reward)" && *program.table == '\0') {
        EXPECT_TRUE(reaches);
      }
      const absl::Status finished = ReadRecord(now).status();
      if (!reaches || setting.role == SettingRole::kFree) {
        EXPECT_TRUE(finished.ok()) << finished;
      } else {
        EXPECT_EQ(finished.code(), setting.role == SettingRole::kResult ? absl::StatusCode::kFailedPrecondition
                                                                        : absl::StatusCode::kOutOfRange);
        EXPECT_TRUE(absl::StrContains(finished.message(), absl::StrCat("--", setting.name, " is "))) << finished;
      }
      if (with_checkpoint && reaches && setting.role == SettingRole::kResult) {
        RunContext resumed = now;
        resumed.resume = true;
        const absl::Status refused = train(resumed);
        EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
        EXPECT_TRUE(absl::StrContains(refused.message(), absl::StrCat("--", setting.name, " is "))) << refused;
      }
      // The file of a run's folder, which also is the list of the report.
      if (setting.is_flag) {
        EXPECT_TRUE(
            absl::StrContains(SettingsText(settings, ""), absl::StrCat("\n", setting.name, "=", setting.text())));
      }
      ASSERT_TRUE(setting.parse(original, error)) << original << error;
    }
  }
}

TEST(RssSettingsTest, EverySettingOfEveryProgramCounts) {
  ExpectEverySettingCounts({"rss_pascal_context", "pascal_context", ""});
  ExpectEverySettingCounts({"rss_pascal_context", "pascal_context", "2"});
  ExpectEverySettingCounts({"rss_voc2012", "voc2012_aug", "5"});
  ExpectEverySettingCounts({"rss_cityscapes", "cityscapes", "6"});
}

TEST(RssSettingsTest, AFileOfSettingsRepeatsThem) {
  const Experiment<RssOptions> experiment = Make({"rss_pascal_context", "pascal_context", ""});
  internal::ExperimentOf<RssOptions> any(experiment), other(experiment);
  ASSERT_TRUE(any.Reset("camvid", "camvid").ok());
  ASSERT_TRUE(other.Reset("quick", "scenes").ok());
  SettingVisitor settings, others;
  any.Settings(settings);
  other.Settings(others);
  ASSERT_NE(SettingsText(settings, ""), SettingsText(others, ""));
  const std::string path = absl::StrCat(::testing::TempDir(), "/settings");
  ASSERT_TRUE(autograd::WriteFileAtomically(path, SettingsText(settings, "")).ok());
  const absl::StatusOr<std::vector<Assignment>> read = ReadSettingsFile(path, others);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(Apply(*read, others).ok());
  EXPECT_EQ(SettingsText(settings, ""), SettingsText(others, ""));
}

}  // namespace
}  // namespace experiments::rss
