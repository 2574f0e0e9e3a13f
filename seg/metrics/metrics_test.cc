#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"
#include "autograd/testing/thread_counts.h"
#include "seg/metrics/confusion_matrix.h"
#include "seg/metrics/image_scores.h"

namespace seg {
namespace {

using Labels = std::vector<uint8_t>;

// Five classes; 3 is only predicted, 4 occurs nowhere. By hand: T = 3 2 2 0 0, P = 2 2 2 1 0, I = 2 1 1 0 0, U = 3 3 3
// 1 0.
const Labels kTruth{0, 0, 0, 1, 1, 2, 2, kVoid, kVoid};
const Labels kPrediction{0, 0, 3, 1, 2, 2, 1, 4, 0};

ConfusionMatrix Example() {
  ConfusionMatrix matrix(5);
  matrix.Add(kTruth, std::span<const uint8_t>(kPrediction));
  return matrix;
}

TEST(ConfusionMatrix, CountsWithoutVoid) {
  const ConfusionMatrix matrix = Example();
  EXPECT_EQ(matrix.pixels(), 7);
  EXPECT_EQ(matrix.count(0, 0), 2);
  EXPECT_EQ(matrix.count(0, 3), 1);
  EXPECT_EQ(matrix.count(2, 1), 1);
  EXPECT_EQ(matrix.count(4, 4), 0);
}

TEST(ConfusionMatrix, ScoresByHand) {
  const ConfusionMatrix matrix = Example();
  const std::vector<double> iou = matrix.ClassIou();
  EXPECT_DOUBLE_EQ(iou[0], 2.0 / 3);
  EXPECT_DOUBLE_EQ(iou[1], 1.0 / 3);
  EXPECT_DOUBLE_EQ(iou[2], 1.0 / 3);
  EXPECT_DOUBLE_EQ(iou[3], 0);
  EXPECT_TRUE(std::isnan(iou[4]));
  EXPECT_DOUBLE_EQ(matrix.PixelAccuracy(), 4.0 / 7);
  EXPECT_DOUBLE_EQ(matrix.ClassAccuracy(), (2.0 / 3 + 0.5 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(matrix.MeanIou(ClassSet::kTruth), 4.0 / 3 / 3);
  EXPECT_DOUBLE_EQ(matrix.MeanIou(ClassSet::kUnion), 4.0 / 3 / 4);
  EXPECT_DOUBLE_EQ(matrix.MeanIou(ClassSet::kAll), 4.0 / 3 / 5);
  EXPECT_DOUBLE_EQ(matrix.MeanIou(ClassSet::kUnion, 1, 3), 1.0 / 3);
  EXPECT_TRUE(std::isnan(matrix.MeanIou(ClassSet::kUnion, 4, 5)));
  EXPECT_DOUBLE_EQ(matrix.FrequencyWeightedIou(), 3.0 / 7 * 2 / 3 + 2.0 / 7 / 3 + 2.0 / 7 / 3);
  // Dice = 2·IoU/(1 + IoU).
  EXPECT_DOUBLE_EQ(matrix.MeanDice(ClassSet::kTruth), (0.8 + 0.5 + 0.5) / 3);
}

TEST(ConfusionMatrix, PredictionsOutsideTheClassesAreMissesOnly) {
  ConfusionMatrix matrix(2);
  matrix.Add(Labels{0, 0, 1, 1}, std::span<const uint8_t>(Labels{0, 255, 7, 1}));
  EXPECT_EQ(matrix.count(0, 2), 1);
  EXPECT_DOUBLE_EQ(matrix.ClassIou()[0], 0.5);
  EXPECT_DOUBLE_EQ(matrix.ClassIou()[1], 0.5);
  EXPECT_DOUBLE_EQ(matrix.PixelAccuracy(), 0.5);
}

TEST(ConfusionMatrix, RefusesWhatItCannotCount) {
  ConfusionMatrix matrix(2);
  EXPECT_THROW(matrix.Add(Labels{2}, std::span<const uint8_t>(Labels{0})), autograd::Error);
  EXPECT_THROW(matrix.Add(Labels{1, 1}, std::span<const uint8_t>(Labels{0})), autograd::Error);
  EXPECT_THROW(matrix.Add(ConfusionMatrix(3)), autograd::Error);
  EXPECT_THROW(ConfusionMatrix(256), autograd::Error);
  EXPECT_THROW(matrix.MeanIou(ClassSet::kAll, 1, 3), autograd::Error);
  EXPECT_TRUE(std::isnan(matrix.MeanIou()));
  EXPECT_TRUE(std::isnan(matrix.PixelAccuracy()));
}

TEST(ConfusionMatrix, SumsOverImagesAndThreads) {
  const int64_t size = 300000;
  Labels truth(size), prediction(size);
  for (int64_t i = 0; i < size; ++i) {
    const autograd::PhiloxWords words = autograd::Philox(autograd::RandomKey(3), i);
    truth[i] = words.x % 10 == 0 ? kVoid : static_cast<uint8_t>(words.y % 7);
    prediction[i] = static_cast<uint8_t>(words.z % 3 == 0 ? words.w % 7 : words.y % 7);
  }
  ConfusionMatrix whole(7), halves(7), second(7);
  {
    autograd::testing::ThreadCountScope three(3);
    whole.Add(truth, std::span<const uint8_t>(prediction));
  }
  const std::span<const uint8_t> all(truth), maps(prediction);
  halves.Add(all.first(1000), maps.first(1000));
  second.Add(all.subspan(1000), maps.subspan(1000));
  halves.Add(second);
  EXPECT_EQ(whole.counts(), halves.counts());

  ConfusionMatrix arrays(7);
  arrays.Add(autograd::Array::From({size}, truth), autograd::Array::From({size}, prediction));
  EXPECT_EQ(whole.counts(), arrays.counts());

  // The cheap way to score one image agrees with the matrix.
  for (const ClassSet set : {ClassSet::kTruth, ClassSet::kUnion, ClassSet::kAll}) {
    const ImageScores scores = ScoreImage(truth, std::span<const uint8_t>(prediction), 7, set);
    EXPECT_DOUBLE_EQ(scores.mean_iou, whole.MeanIou(set));
    EXPECT_DOUBLE_EQ(scores.mean_dice, whole.MeanDice(set));
    EXPECT_DOUBLE_EQ(scores.pixel_accuracy, whole.PixelAccuracy());
  }
}

TEST(ImageScores, ClassSetsByHand) {
  const std::span<const uint8_t> map(kPrediction);
  EXPECT_DOUBLE_EQ(ScoreImage(kTruth, map, 5, ClassSet::kTruth).mean_iou, 4.0 / 9);
  EXPECT_DOUBLE_EQ(ScoreImage(kTruth, map, 5, ClassSet::kUnion).mean_iou, 1.0 / 3);
  EXPECT_DOUBLE_EQ(ScoreImage(kTruth, map, 5, ClassSet::kAll).mean_iou, 4.0 / 15);
  EXPECT_DOUBLE_EQ(ScoreImage(kTruth, map, 5).mean_dice, 0.6);
  EXPECT_DOUBLE_EQ(ScoreImage(kTruth, map, 5).pixel_accuracy, 4.0 / 7);
}

TEST(ImageScores, Edges) {
  const Labels nothing(5, kVoid), truth{0, 1, 0, 1, 0}, stray{0, 9, 0, 255, 0};
  for (const ClassSet set : {ClassSet::kTruth, ClassSet::kUnion}) {
    const ImageScores scores = ScoreImage(nothing, std::span<const uint8_t>(truth), 2, set);
    EXPECT_EQ(scores.mean_iou, 0);
    EXPECT_EQ(scores.mean_dice, 0);
    EXPECT_EQ(scores.pixel_accuracy, 0);
    EXPECT_EQ(ScoreImage(truth, std::span<const uint8_t>(truth), 2, set).mean_iou, 1);
    // Values outside the classes are misses of the true class only.
    EXPECT_DOUBLE_EQ(ScoreImage(truth, std::span<const uint8_t>(stray), 2, set).mean_iou, (1.0 + 0.0) / 2);
  }
  EXPECT_THROW(ScoreImage(stray, std::span<const uint8_t>(truth), 2), autograd::Error);
  EXPECT_THROW(ScoreImage(truth, std::span<const uint8_t>(truth).first(4), 2), autograd::Error);
}

}  // namespace
}  // namespace seg
