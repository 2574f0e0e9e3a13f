#include "experiments/continual/class_history.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "experiments/continual/scorer.h"

namespace experiments::continual {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

data::DatasetInfo Info() {
  data::DatasetInfo info;
  info.class_names = {"background", "cat", "dog", "owl"};
  return info;
}

// Three tasks of 2, 1 and 1 classes; the owl has no validation pixel.
const ClassHistory kHistory = {{0.9, 0.6}, {0.8, 0.5, 0.4}, {0.7, 0.7, 0.1, kNan}};
const std::vector<int> kFirst = {0, 2, 3};

TEST(ClassHistory, IsATableOfPercents) {
  EXPECT_EQ(HistoryCsv(kHistory, Info()),
            "class,task 1,task 2,task 3\n"
            "\"background\",90.00,80.00,70.00\n"
            "\"cat\",60.00,50.00,70.00\n"
            "\"dog\",,40.00,10.00\n"
            "\"owl\",,,\n");
}

TEST(ClassHistory, PictureHasALineForEveryClass) {
  const data::Image all = DrawHistory(kHistory, Info(), kFirst);
  data::DatasetInfo fewer = Info();
  fewer.class_names.pop_back();
  EXPECT_GT(all.height, DrawHistory({{0.9, 0.6}, {0.8, 0.5, 0.4}}, fewer, {0, 2}).height);
  EXPECT_GT(all.width, 0);
}

// (0.9 − 0.7), (0.6 − 0.7) and (0.4 − 0.1): what the last task taught cannot be forgotten yet.
TEST(ClassHistory, ForgettingIsWhatEarlierTasksClassesHaveLost) {
  EXPECT_NEAR(Forgetting(kHistory, kFirst), (0.2 - 0.1 + 0.3) / 3, 1e-12);
  EXPECT_TRUE(std::isnan(Forgetting({{0.5, 0.5}}, {0})));
}

TEST(ClassHistory, ClassIouComesBackExactly) {
  const std::string path = testing::TempDir() + "/class_iou.txt";
  const std::vector<double> iou = {0.1, 1.0 / 3, kNan, 1};
  ASSERT_TRUE(WriteClassIou(path, iou).ok());
  const absl::StatusOr<std::vector<double>> read = ReadClassIou(path, 4);
  ASSERT_TRUE(read.ok()) << read.status();
  for (size_t i = 0; i < iou.size(); ++i)
    EXPECT_TRUE((*read)[i] == iou[i] || (std::isnan(iou[i]) && std::isnan((*read)[i])));
  EXPECT_EQ(ReadClassIou(path, 5).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadClassIou(path + "x", 4).status().code(), absl::StatusCode::kNotFound);
}

// Class 1 is predicted and in no label: an IoU of 0 that counts as forgotten nowhere.
TEST(ClassHistory, AClassThatLabelsLackHasNoIou) {
  seg::ConfusionMatrix confusion(3);
  confusion.Add(std::vector<uint8_t>{0, 0, 2}, std::vector<uint8_t>{0, 1, 2});
  std::vector<int64_t> pixels;
  for (const seg::ClassCounts& counts : confusion.ByClass()) pixels.push_back(counts.truth);
  EXPECT_EQ(confusion.ClassIou()[1], 0);
  const std::vector<double> iou = IouOfLabels(confusion.ClassIou(), pixels);
  EXPECT_EQ(iou[0], 0.5);
  EXPECT_TRUE(std::isnan(iou[1]));
  EXPECT_EQ(iou[2], 1);
  EXPECT_NEAR(Forgetting({{0.7, 0.6}, iou}, {0, 2}), 0.7 - 0.5, 1e-12);
}

// Truth 0 0 1 2 against 0 1 1 2, classes 0 and 1 of the first task.
TEST(ContinualScorer, ScoresOldNewAndAllByTheClassesOfTheTruth) {
  data::Sample sample;
  sample.label = data::LabelMap(1, 4);
  sample.label.values = {0, 0, 1, 2};
  data::LabelMap prediction(1, 4);
  prediction.values = {0, 1, 1, 2};
  ContinualScorer scorer(4, 2);
  scorer.Add(sample, prediction);
  const std::vector<Score> scores = scorer.Scores();
  EXPECT_NEAR(FindScore(scores, "all")->value, (0.5 + 0.5 + 1) / 3, 1e-12);
  EXPECT_NEAR(FindScore(scores, "old")->value, 0.5, 1e-12);
  EXPECT_NEAR(FindScore(scores, "new")->value, 1, 1e-12);  // class 3 is in no label
  ContinualScorer first(2, 2);
  sample.label.values = prediction.values = {0, 0, 1, 1};
  first.Add(sample, prediction);
  EXPECT_EQ(FindScore(first.Scores(), "new"), nullptr);
  EXPECT_EQ(FindScore(first.Scores(), "old")->value, 1);
}

}  // namespace
}  // namespace experiments::continual
