#include "seg/metrics/cityscapes_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "autograd/runtime/error.h"

namespace seg {
namespace {

constexpr int kRoad = 7, kBuilding = 11, kPerson = 24, kRider = 25, kCar = 26, kCaravan = 29, kTrailer = 30;
constexpr int kFlat = 1, kConstruction = 2, kHuman = 6, kVehicle = 7;

struct Pixel {
  int truth, instance, prediction;
};

// Half of a person is taken for a rider; the second person is part of a group; a car of four pixels is half found, one
// pixel of it as a caravan; a building looks like a car and a trailer; what is predicted where the truth is not
// evaluated does not count.
const std::vector<Pixel> kPixels = {
    {kPerson, 24000, kPerson}, {kPerson, 24000, kRider}, {kPerson, 24, kPerson},  {kCar, 26001, kCar},
    {kCar, 26001, kCaravan},   {kCar, 26001, kBuilding}, {kCar, 26001, kCar},     {kBuilding, 11, kCar},
    {kBuilding, 11, kTrailer}, {0, 0, kPerson},          {kCaravan, 29000, kCar}, {kRoad, 7, kRoad},
};

void AddPixels(std::span<const Pixel> pixels, CityscapesMetrics& metrics) {
  std::vector<uint8_t> truth, prediction;
  std::vector<uint16_t> instances;
  for (const Pixel& pixel : pixels) {
    truth.push_back(static_cast<uint8_t>(pixel.truth));
    instances.push_back(static_cast<uint16_t>(pixel.instance));
    prediction.push_back(static_cast<uint8_t>(pixel.prediction));
  }
  metrics.Add(truth, prediction, instances);
}

TEST(CityscapesMetrics, ByHand) {
  CityscapesMetrics metrics;
  AddPixels(kPixels, metrics);
  const CityscapesScores scores = metrics.Scores();
  EXPECT_DOUBLE_EQ(scores.class_iou[kPerson], 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores.class_iou[kRider], 0);
  EXPECT_DOUBLE_EQ(scores.class_iou[kCar], 2.0 / 5);
  EXPECT_DOUBLE_EQ(scores.class_iou[kBuilding], 0);
  EXPECT_DOUBLE_EQ(scores.class_iou[kRoad], 1);
  EXPECT_TRUE(std::isnan(scores.class_iou[kCaravan]));
  EXPECT_TRUE(std::isnan(scores.class_iou[0]));
  EXPECT_DOUBLE_EQ(scores.mean_class_iou, (2.0 / 3 + 2.0 / 5 + 1) / 5);

  EXPECT_DOUBLE_EQ(scores.category_iou[kHuman], 1);
  EXPECT_DOUBLE_EQ(scores.category_iou[kVehicle], 2.0 / 5);
  EXPECT_DOUBLE_EQ(scores.category_iou[kConstruction], 0);
  EXPECT_DOUBLE_EQ(scores.category_iou[kFlat], 1);
  EXPECT_TRUE(std::isnan(scores.category_iou[0]));
  EXPECT_DOUBLE_EQ(scores.mean_category_iou, (1 + 2.0 / 5 + 0 + 1) / 4);

  constexpr double kCarSize = 12794.0202738185;
  const double car = kCarSize / 2 / (kCarSize + 1), vehicle = kCarSize * 3 / 4 / (kCarSize + 2);
  EXPECT_DOUBLE_EQ(scores.class_instance_iou[kPerson], 0.5);
  EXPECT_DOUBLE_EQ(scores.class_instance_iou[kRider], 0);
  EXPECT_DOUBLE_EQ(scores.class_instance_iou[kCar], car);
  EXPECT_TRUE(std::isnan(scores.class_instance_iou[kRoad]));
  EXPECT_DOUBLE_EQ(scores.mean_class_instance_iou, (0.5 + car) / 3);
  EXPECT_DOUBLE_EQ(scores.category_instance_iou[kHuman], 1);
  EXPECT_DOUBLE_EQ(scores.category_instance_iou[kVehicle], vehicle);
  EXPECT_TRUE(std::isnan(scores.category_instance_iou[kFlat]));
  EXPECT_DOUBLE_EQ(scores.mean_category_instance_iou, (1 + vehicle) / 2);
}

// Equal weights: an object of four pixels weighs as much as one of one pixel.
TEST(CityscapesMetrics, ObjectsOfAllSizesCountAlike) {
  CityscapesMetrics metrics;
  AddPixels(std::vector<Pixel>{{kPerson, 24001, kPerson}}, metrics);
  AddPixels(std::vector<Pixel>(4, {kPerson, 24001, kRoad}), metrics);  // another image: another object
  EXPECT_DOUBLE_EQ(metrics.Scores().class_instance_iou[kPerson], 0.5);
  EXPECT_DOUBLE_EQ(metrics.Scores().class_iou[kPerson], 0.2);
}

TEST(CityscapesMetrics, RanksAddUp) {
  CityscapesMetrics whole, first, second;
  const std::span<const Pixel> pixels(kPixels);
  AddPixels(pixels.first(5), whole);
  AddPixels(pixels.subspan(5), whole);
  AddPixels(pixels.first(5), first);
  AddPixels(pixels.subspan(5), second);
  for (size_t i = 0; i < first.sums().size(); ++i) first.sums()[i] += second.sums()[i];
  EXPECT_EQ(first.Scores().mean_class_iou, whole.Scores().mean_class_iou);
  EXPECT_DOUBLE_EQ(first.Scores().mean_category_instance_iou, whole.Scores().mean_category_instance_iou);
}

TEST(CityscapesMetrics, Edges) {
  CityscapesMetrics metrics;
  EXPECT_TRUE(std::isnan(metrics.Scores().mean_class_iou));
  EXPECT_TRUE(std::isnan(metrics.Scores().mean_category_instance_iou));
  const std::vector<uint8_t> one{7}, two{7, 8}, beyond{34};
  const std::vector<uint16_t> instance{7};
  EXPECT_THROW(metrics.Add(one, two, instance), autograd::Error);
  EXPECT_THROW(metrics.Add(two, two, instance), autograd::Error);
  EXPECT_THROW(metrics.Add(one, beyond, instance), autograd::Error);
  EXPECT_THROW(metrics.Add(one, one, std::vector<uint16_t>{34000}), autograd::Error);
  metrics.Add(one, one, {});
  EXPECT_EQ(metrics.Scores().class_iou[kRoad], 1);
}

}  // namespace
}  // namespace seg
