// Targets: what --target says, which are refused, and that none of their images reaches training.

#include "experiments/latent/targets.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "autograd/collective/collective.h"
#include "autograd/runtime/atomic_file.h"
#include "data/data.h"
#include "experiments/latent/run.h"
#include "experiments/latent/tables.h"
#include "experiments/runner/interrupt.h"
#include "experiments/runner/scorer.h"

namespace experiments::latent {
namespace {

LatentOptions Tiny() {
  LatentOptions options = *CrossDomainPreset("quick", "scenes");
  options.data.crop = 32;
  options.training.steps = 3;
  options.training.batch_size = 2;
  options.training.evaluation_images = 2;
  options.training.evaluate_every = 0;
  options.training.checkpoint_every = 0;
  options.probe_every = 0;
  return options;
}

std::string RefusedBecause(const LatentOptions& options) {
  const absl::Status status = ParseTargets(options).status();
  EXPECT_TRUE(IsWrongFlag(status)) << status;
  return std::string(status.message());
}

TEST(TargetsTest, TextsAreScenesOrFolders) {
  LatentOptions options = Tiny();
  options.targets = {"scenes:night", "camvid=/data/a=b:c", "voc2012:/data/voc"};
  absl::StatusOr<std::vector<Target>> targets = ParseTargets(options);
  ASSERT_TRUE(targets.ok()) << targets.status();
  ASSERT_EQ(targets->size(), 3u);
  EXPECT_EQ((*targets)[0].name, "night");
  EXPECT_EQ((*targets)[0].options.scene_light, data::SceneLight::kNight);
  EXPECT_EQ((*targets)[0].options.scene_classes, options.data.scene_classes);
  EXPECT_EQ((*targets)[1].name, "camvid");
  EXPECT_EQ((*targets)[1].options.root, "/data/a=b:c");
  EXPECT_EQ((*targets)[2].options.root, "/data/voc");
  EXPECT_EQ(TargetColumns(options), (std::vector<std::string>{"night mIoU", "camvid mIoU", "voc2012 mIoU"}));
  // Without a folder of its own it lies where the source does.
  options.data.root = "/data/both";
  options.targets = {"camvid"};
  targets = ParseTargets(options);
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_EQ((*targets)[0].options.root, "/data/both");
}

TEST(TargetsTest, WrongTextsAreNamed) {
  LatentOptions options = Tiny();
  options.targets = {"scenes:fog"};
  EXPECT_TRUE(absl::StrContains(RefusedBecause(options), "--target=scenes:fog")) << RefusedBecause(options);
  options.targets = {"moon=/x"};
  EXPECT_TRUE(absl::StrContains(RefusedBecause(options), "no dataset 'moon'")) << RefusedBecause(options);
  options.targets = {"camvid"};
  EXPECT_TRUE(absl::StrContains(RefusedBecause(options), "--target=camvid=DIR")) << RefusedBecause(options);
  options.targets = {"scenes:haze", "scenes:haze"};
  EXPECT_TRUE(absl::StrContains(RefusedBecause(options), "two targets")) << RefusedBecause(options);
  EXPECT_TRUE(TargetColumns(options).empty());
}

TEST(TargetsTest, OtherClassesAreRefused) {
  LatentOptions options = Tiny();
  options.targets = {"scenes:night"};
  data::DatasetInfo source = (*OpenData(options.data)).validation->info();
  EXPECT_TRUE(OpenTargets(options, source).ok());
  source.class_names[3] = "castle";
  absl::Status status = OpenTargets(options, source).status();
  EXPECT_TRUE(IsWrongFlag(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(),
                                "night has 'house' as class 3, and scenes, which is trained on, "
                                "'castle'"))
      << status;
  source.class_names.pop_back();
  status = OpenTargets(options, source).status();
  EXPECT_TRUE(IsWrongFlag(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "night has 8 classes, and scenes, which is trained on, 7")) << status;
}

struct Ended {
  RunRecord record;
  std::string weights, folder;
};

Ended Train(const LatentOptions& options, const std::string& name, bool resume = false) {
  static const InterruptHandler interrupt;
  autograd::OneRank alone;
  RunContext context(alone, interrupt);
  context.label = name;
  context.folder = absl::StrCat(::testing::TempDir(), "/", name);
  context.key = autograd::RandomKey(3);
  context.resume = resume;
  if (!resume) std::filesystem::remove_all(context.folder);
  absl::StatusOr<RunRecord> record = Run(options, context);
  EXPECT_TRUE(record.ok()) << record.status();
  if (!record.ok()) return {};
  return {*std::move(record), *autograd::ReadFile(absl::StrCat(context.folder, "/weights.safetensors")),
          context.folder};
}

// The weights are the same bits with and without targets, and with a target that is another one: nothing of them has a
// part in training, not its images, nor the order of its random draws.
TEST(TargetsTest, TrainingDoesNotSeeThem) {
  LatentOptions options = Tiny();
  options.targets = {};
  const Ended without = Train(options, "without");
  EXPECT_TRUE(without.record.targets.empty());
  options.targets = {"scenes:night", "scenes:haze"};
  const Ended with = Train(options, "with");
  options.targets = {"scenes:other"};
  const Ended other = Train(options, "other");
  ASSERT_FALSE(without.weights.empty());
  EXPECT_EQ(without.weights, with.weights);
  EXPECT_EQ(without.weights, other.weights);
  // The source's scores come first and are the same; those of the targets follow.
  const auto miou = [](const Ended& run, const std::string& name) { return FindScore(run.record.scores, name); };
  EXPECT_EQ(with.record.scores[0].name, "mIoU");
  EXPECT_EQ(with.record.scores[0].value, without.record.scores[0].value);
  ASSERT_NE(miou(with, "night mIoU"), nullptr);
  ASSERT_NE(miou(with, "haze mIoU"), nullptr);
  EXPECT_EQ(miou(without, "night mIoU"), nullptr);
  ASSERT_EQ(with.record.targets.size(), 2u);
  EXPECT_EQ(with.record.targets[1].name, "haze");
  // The labels of a light are those of the day: the pixels of every class, counted here.
  std::vector<int64_t> pixels(options.data.scene_classes);
  const OpenedData source = *OpenData(options.data);
  for (int64_t i = 0; i < source.validation->size(); ++i) {
    const data::Sample sample = *source.validation->Load(i);
    for (const uint8_t value : sample.label.values) ++pixels[value];
  }
  EXPECT_EQ(with.record.targets[0].label_pixels, pixels);
  EXPECT_EQ(with.record.targets[0].examples.size(), 6u);
  EXPECT_TRUE(std::filesystem::exists(with.folder + "/pictures/night_6.png"));
  const std::string table = *autograd::ReadFile(with.folder + "/targets.csv");
  EXPECT_TRUE(absl::StrContains(table, absl::StrCat("night,\"ground\",", pixels[1], ","))) << table;
  EXPECT_TRUE(absl::StrContains(table, "haze,\"sky\",")) << table;
}

// A trained network is scored on one more target without another step.
TEST(TargetsTest, AFinishedRunTakesMoreTargets) {
  LatentOptions options = Tiny();
  options.targets = {"scenes:night"};
  const Ended first = Train(options, "more");
  options.targets = {"scenes:night", "scenes:other"};
  const Ended again = Train(options, "more", /*resume=*/true);
  EXPECT_EQ(first.weights, again.weights);
  ASSERT_NE(FindScore(again.record.scores, "other mIoU"), nullptr);
  EXPECT_EQ(FindScore(again.record.scores, "night mIoU")->value, FindScore(first.record.scores, "night mIoU")->value);
}

// The paper's numbers stand beside the targets that it has, and nowhere else.
TEST(TargetsTest, TheTableHasThePapersNumbersWhereTheyBelong) {
  LatentOptions options = Tiny();
  Table<LatentOptions> table = TableFour(options);
  EXPECT_EQ(table.columns, (std::vector<std::string>{"mIoU", "night mIoU", "haze mIoU", "other mIoU"}));
  for (const Row<LatentOptions>& row : table.rows) EXPECT_TRUE(row.published.empty()) << row.name;
  EXPECT_TRUE(absl::StrContains(table.note, "10.7 (Cityscapes to Dark Zurich)"));
  const auto published = [&](const char* row) {
    std::vector<std::string> texts;
    for (const Row<LatentOptions>& candidate : table.rows) {
      if (candidate.folder != row) continue;
      for (const Published& number : candidate.published)
        texts.push_back(absl::StrCat(number.score, " ", number.percent));
    }
    return texts;
  };
  using Texts = std::vector<std::string>;
  options.data.name = "cityscapes";
  options.targets = {"nighttime_driving=/n", "dark_zurich=/d"};
  table = TableFour(options);
  EXPECT_EQ(table.columns, (Texts{"mIoU", "nighttime_driving mIoU", "dark_zurich mIoU"}));
  EXPECT_EQ(published("plain"), (Texts{"dark_zurich mIoU 10.7", "nighttime_driving mIoU 17.9"}));
  EXPECT_EQ(published("method"), (Texts{"dark_zurich mIoU 15.9", "nighttime_driving mIoU 26.1"}));
  options.data.name = "lip";
  options.targets = {"cihp=/c"};
  table = TableFour(options);
  EXPECT_EQ(table.columns, (Texts{"mIoU", "cihp mIoU", "cihp mIoU without class 10"}));
  EXPECT_EQ(published("plain"), (Texts{"cihp mIoU 27.2"}));
  EXPECT_EQ(published("method"), (Texts{"cihp mIoU 29"}));
  // Of CIHP trained on LIP, and not of CIHP trained on anything else.
  options.data.name = "cihp";
  table = TableFour(options);
  EXPECT_TRUE(published("plain").empty());
}

// LIP and CIHP are taken for equal, though class 10 has another name in each; nothing else is.
TEST(TargetsTest, HumanParsingHasOneNumbering) {
  const std::string root = absl::StrCat(::testing::TempDir(), "/cihp_target");
  std::filesystem::create_directories(root + "/Validation/Images");
  std::filesystem::create_directories(root + "/Validation/Category_ids");
  ASSERT_TRUE(data::WritePng(root + "/Validation/Images/0000001.png", data::Image(4, 4)).ok());
  ASSERT_TRUE(data::WriteLabelPng(root + "/Validation/Category_ids/0000001.png", data::LabelMap(4, 4, 10)).ok());
  LatentOptions options = Tiny();
  options.targets = {absl::StrCat("cihp=", root)};
  const absl::StatusOr<std::unique_ptr<data::Dataset>> cihp = data::OpenCihp(root, "val");
  ASSERT_TRUE(cihp.ok()) << cihp.status();
  data::DatasetInfo lip = (*cihp)->info();
  lip.name = "lip";
  lip.class_names[10] = "Jumpsuits";
  const absl::StatusOr<std::vector<Target>> targets = OpenTargets(options, lip);
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_EQ((*targets)[0].data.inference.size, (std::vector<int>{473, 473}));
  lip.name = "other";
  EXPECT_TRUE(IsWrongFlag(OpenTargets(options, lip).status()));
}

}  // namespace
}  // namespace experiments::latent
