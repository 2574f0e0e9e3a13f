// The scores of CIHP for the predictions of the format samples, against the numbers of an independent program, on the
// way that a network's predictions take.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "data/datasets/open_dataset.h"
#include "data/formats/read_image.h"
#include "experiments/runner/scorer.h"
#include "nlohmann/json.hpp"

namespace experiments {
namespace {

TEST(CihpScores, OfTheFormatSamples) {
  const char* folder = std::getenv("SEGMENTATION_DATA");
  if (folder == nullptr) GTEST_SKIP() << "SEGMENTATION_DATA is not set";
  const std::string root = std::string(folder) + "/format_samples/cihp";
  std::ifstream stream(root + "/predictions/expected.json");
  const nlohmann::json expected = nlohmann::json::parse(stream)["dataset"];
  const auto dataset = data::OpenDataset("cihp", root, "train");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const std::unique_ptr<Scorer> scorer = MakeScorer((*dataset)->info(), root);
  ASSERT_EQ((*dataset)->size(), 5);
  for (int64_t i = 0; i < (*dataset)->size(); ++i) {
    const absl::StatusOr<data::Sample> sample = (*dataset)->Load(i);
    ASSERT_TRUE(sample.ok()) << sample.status();
    const absl::StatusOr<data::LabelMap> prediction = data::ReadLabelMap(root + "/predictions/" + sample->id + ".png");
    ASSERT_TRUE(prediction.ok()) << prediction.status();
    scorer->Add(*sample, *prediction);
  }
  std::map<std::string, double> scores;
  for (const Score& score : scorer->Scores()) scores[score.name] = score.value;
  constexpr double kTolerance = 1e-12;
  EXPECT_EQ(scores.size(), 5);
  EXPECT_NEAR(scores.at("mIoU"), expected["mIoU_union_present"].get<double>(), kTolerance);
  EXPECT_NEAR(scores.at("pixel accuracy"), expected["pixAcc"].get<double>(), kTolerance);
  EXPECT_NEAR(scores.at("class accuracy"), expected["mAcc_gt_present"].get<double>(), kTolerance);
  EXPECT_NEAR(scores.at("mIoU, absent as 0"), expected["mIoU_absent_as_zero"].get<double>(), kTolerance);
  double sum = 0;
  int classes = 0;
  for (const auto& [name, iou] : expected["per_class_iou"].items()) {
    if (name == "10") continue;
    sum += iou.get<double>();
    ++classes;
  }
  EXPECT_EQ(classes, 19);
  EXPECT_NEAR(scores.at("mIoU without class 10"), sum / classes, kTolerance);
}

}  // namespace
}  // namespace experiments
