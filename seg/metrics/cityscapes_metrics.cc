#include "seg/metrics/cityscapes_metrics.h"

#include <limits>

#include "autograd/runtime/error.h"
#include "seg/metrics/class_counts.h"

namespace seg {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

enum Category : uint8_t { kVoidCategory, kFlat, kConstruction, kObject, kNature, kSky, kHuman, kVehicle };

struct Label {
  Category category;
  bool evaluated = false;
  double instance_size = 0;  // average, in pixels; 0: the label has no instances
};

// Position = label id. Sizes are the evaluation program's.
constexpr std::array<Label, kCityscapesLabels> kLabels = {{
    {kVoidCategory},                      // unlabeled
    {kVoidCategory},                      // ego vehicle
    {kVoidCategory},                      // rectification border
    {kVoidCategory},                      // out of roi
    {kVoidCategory},                      // static
    {kVoidCategory},                      // dynamic
    {kVoidCategory},                      // ground
    {kFlat, true},                        // road
    {kFlat, true},                        // sidewalk
    {kFlat},                              // parking
    {kFlat},                              // rail track
    {kConstruction, true},                // building
    {kConstruction, true},                // wall
    {kConstruction, true},                // fence
    {kConstruction},                      // guard rail
    {kConstruction},                      // bridge
    {kConstruction},                      // tunnel
    {kObject, true},                      // pole
    {kObject},                            // polegroup
    {kObject, true},                      // traffic light
    {kObject, true},                      // traffic sign
    {kNature, true},                      // vegetation
    {kNature, true},                      // terrain
    {kSky, true},                         // sky
    {kHuman, true, 3462.4756337644},      // person
    {kHuman, true, 3930.4788056518},      // rider
    {kVehicle, true, 12794.0202738185},   // car
    {kVehicle, true, 27855.1264367816},   // truck
    {kVehicle, true, 35732.1511111111},   // bus
    {kVehicle, false, 36771.8241758242},  // caravan
    {kVehicle, false, 16926.9763313609},  // trailer
    {kVehicle, true, 67583.7075812274},   // train
    {kVehicle, true, 6298.7200839748},    // motorcycle
    {kVehicle, true, 4672.3249222261},    // bicycle
}};

// Every label of such a category has instances.
constexpr bool HasInstances(int category) { return category == kHuman || category == kVehicle; }

double Ratio(double numerator, double denominator) { return denominator == 0 ? kNone : numerator / denominator; }

template <size_t kSize>
double MeanOfNumbers(const std::array<double, kSize>& scores) {
  ScoreSum sum;
  for (const double score : scores) {
    if (score == score) sum.Add(score);
  }
  return sum.counted == 0 ? kNone : sum.Mean();
}

}  // namespace

const std::array<const char*, kCityscapesCategories> kCityscapesCategoryNames = {
    "void", "flat", "construction", "object", "nature", "sky", "human", "vehicle"};

void CityscapesMetrics::Add(std::span<const uint8_t> truth, std::span<const uint8_t> prediction,
                            std::span<const uint16_t> instances) {
  autograd::Require(truth.size() == prediction.size() && (instances.empty() || instances.size() == truth.size()),
                    "CityscapesMetrics", truth.size(), " truths, ", prediction.size(), " predictions and ",
                    instances.size(), " instances");
  for (size_t i = 0; i < truth.size(); ++i) {
    autograd::Require(truth[i] < kCityscapesLabels && prediction[i] < kCityscapesLabels, "CityscapesMetrics", "pixel ",
                      i, " has the label ids ", int{truth[i]}, " and ", int{prediction[i]});
    ++sums_[truth[i] * kCityscapesLabels + prediction[i]];
  }
  AddInstances(prediction, instances);
}

void CityscapesMetrics::AddInstances(std::span<const uint8_t> prediction, std::span<const uint16_t> instances) {
  struct Pixels {
    int64_t all = 0, of_class = 0, of_category = 0;
  };
  constexpr int kPerLabel = 1000;
  std::vector<Pixels> counts(kCityscapesLabels * kPerLabel);
  for (size_t i = 0; i < instances.size(); ++i) {
    const int instance = instances[i], label = instance / kPerLabel;
    if (instance <= kPerLabel) continue;  // stuff, or a group of objects
    autograd::Require(label < kCityscapesLabels, "CityscapesMetrics", "pixel ", i, " has the instance ", instance);
    ++counts[instance].all;
    counts[instance].of_class += prediction[i] == label;
    counts[instance].of_category += kLabels[prediction[i]].category == kLabels[label].category;
  }
  for (size_t instance = 0; instance < counts.size(); ++instance) {
    const Pixels& pixels = counts[instance];
    const Label& label = kLabels[instance / kPerLabel];
    if (pixels.all == 0 || !label.evaluated || label.instance_size == 0) continue;
    const double weight = label.instance_size / static_cast<double>(pixels.all);
    const auto add = [&](double* object, int64_t hits) {
      object[0] += weight * static_cast<double>(hits);
      object[1] += weight * static_cast<double>(pixels.all - hits);
    };
    add(&sums_[kClassObjects + 2 * (instance / kPerLabel)], pixels.of_class);
    add(&sums_[kCategoryObjects + 2 * label.category], pixels.of_category);
  }
}

CityscapesScores CityscapesMetrics::Scores() const {
  CityscapesScores scores;
  scores.class_iou.fill(kNone);
  scores.class_instance_iou.fill(kNone);
  scores.category_iou.fill(kNone);
  scores.category_instance_iou.fill(kNone);
  // Rows of labels that are not evaluated are nobody's false positives; predictions of such labels are misses.
  for (int label = 0; label < kCityscapesLabels; ++label) {
    if (!kLabels[label].evaluated) continue;
    double truth = 0, false_positives = 0;
    for (int other = 0; other < kCityscapesLabels; ++other) {
      truth += Confusion(label, other);
      if (other != label && kLabels[other].evaluated) false_positives += Confusion(other, label);
    }
    scores.class_iou[label] = Ratio(Confusion(label, label), truth + false_positives);
    if (kLabels[label].instance_size == 0) continue;
    const double* object = &sums_[kClassObjects + 2 * label];
    scores.class_instance_iou[label] = Ratio(object[0], object[0] + false_positives + object[1]);
  }
  for (int category = kFlat; category < kCityscapesCategories; ++category) {
    // A category's own labels count as predicted only if they are evaluated, but for iIoU always.
    double hits = 0, truth = 0, false_positives = 0, instance_false_positives = 0;
    for (int row = 0; row < kCityscapesLabels; ++row) {
      if (!kLabels[row].evaluated) continue;
      const bool inside = kLabels[row].category == category;
      for (int column = 0; column < kCityscapesLabels; ++column) {
        const double count = Confusion(row, column);
        const bool given = kLabels[column].category == category, evaluated = kLabels[column].evaluated;
        if (inside) truth += count;
        if (inside && given && evaluated) hits += count;
        if (!inside && given && evaluated) false_positives += count;
        if (!inside && given) instance_false_positives += count;
      }
    }
    scores.category_iou[category] = Ratio(hits, truth + false_positives);
    if (!HasInstances(category)) continue;
    const double* object = &sums_[kCategoryObjects + 2 * category];
    scores.category_instance_iou[category] = Ratio(object[0], object[0] + instance_false_positives + object[1]);
  }
  scores.mean_class_iou = MeanOfNumbers(scores.class_iou);
  scores.mean_category_iou = MeanOfNumbers(scores.category_iou);
  scores.mean_class_instance_iou = MeanOfNumbers(scores.class_instance_iou);
  scores.mean_category_instance_iou = MeanOfNumbers(scores.category_instance_iou);
  return scores;
}

}  // namespace seg
