#include "experiments/runner/results.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "autograd/runtime/atomic_file.h"

namespace experiments {
namespace {

RunRecord Record(std::vector<Score> scores) {
  RunRecord record;
  record.steps = 100;
  record.seconds = 12;
  record.scores = std::move(scores);
  return record;
}

std::vector<RowDescription> Rows() {
  RowDescription labels{"PSL", "psl"}, reward{"RSS, \"new\"", "rss"}, late{"RSS, t = 2", "rss"}, none{"naive", "naive"};
  labels.published = {{"mIoU", 55.76}};
  reward.reference = late.reference = none.reference = "psl";
  late.view = "t=2";
  return {labels, reward, late, none};
}

Results Filled(const std::string& dataset, const std::string& folder) {
  TableDescription table;
  table.title = "Table 2";
  table.published_on = "pascal_context";
  table.compared = "of PSL %";
  Results results(
      table, Rows(),
      {.title = "RSS", .dataset = dataset, .data = "scenes", .folder = folder, .command = "x", .settings = {}});
  results.Add("psl", Record({{"mIoU", 0.50}, {"pixel accuracy", 0.8}}));
  results.Add("psl", Record({{"mIoU", 0.52}, {"pixel accuracy", 0.9}}));
  // One run fills two rows; a score that was not defined is not there.
  results.Add("rss", Record({{"mIoU", 0.408}, {"t=2 mIoU", 0.459}, {"t=2 pixel accuracy", 0.7}}));
  return results;
}

TEST(ResultsTest, RowsBesideThePaperAndEachOther) {
  const std::string text = Filled("scenes", "out").Text();
  EXPECT_TRUE(absl::StrContains(
      text,
      "method      paper, mIoU %  measured, mIoU %  pixel accuracy %  of PSL %  seeds  steps  time a run\n"
      "──────────  ─────────────  ────────────────  ────────────────  ────────  ─────  ─────  ──────────\n"
      "PSL                 55.76      51.00 ± 1.41      85.00 ± 7.07         –      2    100        12 s\n"
      "RSS, \"new\"              –             40.80                 –      80.0      1    100        12 s\n"
      "RSS, t = 2              –             45.90             70.00      90.0      1    100        12 s\n"
      "naive                   –                 –                 –         –      –      –           –\n"))
      << text;
  EXPECT_TRUE(absl::StrContains(text, "RSS, t = 2 / PSL = 45.90 / 51.00 = 90.0 %")) << text;
}

// A paper's number never stands unlabelled beside other data's.
TEST(ResultsTest, ThePapersDataIsNamed) {
  EXPECT_TRUE(absl::StrContains(Filled("scenes", "out").Text(), "The paper's numbers are of pascal_context"));
  EXPECT_FALSE(absl::StrContains(Filled("pascal_context", "out").Text(), "The paper's numbers are of"));
}

// A target's labels and what each row says of it.
TEST(ResultsTest, TargetsAreShown) {
  RunRecord record = Record({{"mIoU", 0.5}, {"night mIoU", 0.25}});
  record.targets.resize(1);
  TargetRecord& target = record.targets[0];
  target.name = "night";
  target.dataset.class_names = {"road", "train"};
  target.dataset.palette = {{1, 2, 3}, {4, 5, 6}};
  target.class_iou = {0.25, std::nan("")};
  target.label_pixels = {4321, 0};
  target.examples.push_back({data::Image(2, 3), data::LabelMap(2, 3, 0), data::LabelMap(2, 3, 1), {}, {}});
  TableDescription table;
  table.columns = {"mIoU", "night mIoU"};
  const std::string folder = ::testing::TempDir() + "/targets";
  std::filesystem::create_directories(folder);
  Results results(table, {{"FCN", "plain"}, {"latent policy", "method"}},
                  {.title = "T", .dataset = "scenes", .data = "d", .folder = folder, .command = "x", .settings = {}});
  results.Add("plain", record);
  record.targets[0].class_iou[0] = 0.375;
  results.Add("method", record);
  ASSERT_TRUE(results.Write().ok());
  const std::string page = *autograd::ReadFile(folder + "/report.html");
  for (const char* text : {"Target night, never trained on", "4321", "25.00", "37.50", "latent policy, IoU %"})
    EXPECT_TRUE(absl::StrContains(page, text)) << text;
}

TEST(ResultsTest, Files) {
  const std::string folder = ::testing::TempDir() + "/results";
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(Filled("scenes", folder).Write().ok());
  const std::string csv = *autograd::ReadFile(folder + "/results.csv");
  EXPECT_TRUE(absl::StrContains(csv, "\"RSS, \"\"new\"\"\",\"–\",\"40.80\"")) << csv;
  EXPECT_TRUE(absl::StrContains(*autograd::ReadFile(folder + "/report.html"), "55.76"));
}

}  // namespace
}  // namespace experiments
