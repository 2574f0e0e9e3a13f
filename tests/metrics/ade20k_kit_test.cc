// The scores of ADE20K's own kit for the predictions of the format samples, against the numbers of an independent
// program, on the way that a network's predictions take.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "data/datasets/open_dataset.h"
#include "data/datasets/submission.h"
#include "data/formats/read_image.h"
#include "experiments/runner/scorer.h"
#include "nlohmann/json.hpp"

namespace experiments {
namespace {

TEST(Ade20kKit, ScoresAndSubmissionOfTheFormatSamples) {
  const char* folder = std::getenv("SEGMENTATION_DATA");
  if (folder == nullptr) GTEST_SKIP() << "SEGMENTATION_DATA is not set";
  const std::string root = std::string(folder) + "/format_samples/ade20k";
  std::ifstream stream(root + "/predictions/expected.json");
  const nlohmann::json expected = nlohmann::json::parse(stream)["dataset"];
  const auto dataset = data::OpenDataset("ade20k", root, "val");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const data::DatasetInfo& info = (*dataset)->info();
  const std::unique_ptr<Scorer> scorer = MakeScorer(info, root);
  ASSERT_EQ((*dataset)->size(), 3);
  for (int64_t i = 0; i < (*dataset)->size(); ++i) {
    const absl::StatusOr<data::Sample> sample = (*dataset)->Load(i);
    ASSERT_TRUE(sample.ok()) << sample.status();
    const absl::StatusOr<data::LabelMap> stored = data::ReadLabelMap(root + "/predictions/" + sample->id + ".png");
    ASSERT_TRUE(stored.ok()) << stored.status();
    data::LabelMap prediction = *stored;
    for (uint8_t& value : prediction.values) {
      ASSERT_GE(value, 1);
      --value;
    }
    scorer->Add(*sample, prediction);
    ASSERT_TRUE(data::WriteSubmission(::testing::TempDir(), info, sample->id, prediction).ok());
    EXPECT_EQ(*data::ReadLabelMap(::testing::TempDir() + "/" + sample->id + ".png"), *stored);
  }

  std::map<std::string, double> scores;
  for (const Score& score : scorer->Scores()) scores[score.name] = score.value;
  const double accuracy = expected["pixAcc"], mean_iou = expected["mIoU_absent_as_zero"];
  constexpr double kTolerance = 1e-12;
  EXPECT_EQ(scores.size(), 5);
  EXPECT_NEAR(scores.at("mIoU"), expected["mIoU_union_present"].get<double>(), kTolerance);
  EXPECT_NEAR(scores.at("pixel accuracy"), accuracy, kTolerance);
  EXPECT_NEAR(scores.at("class accuracy"), expected["mAcc_gt_present"].get<double>(), kTolerance);
  EXPECT_NEAR(scores.at("kit mIoU"), mean_iou, kTolerance);
  EXPECT_NEAR(scores.at("kit score"), (accuracy + mean_iou) / 2, kTolerance);
}

}  // namespace
}  // namespace experiments
