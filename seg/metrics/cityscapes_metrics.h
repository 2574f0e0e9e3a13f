#pragma once

// The four scores of Cityscapes' pixel-level benchmark (Cordts et al., CVPR 2016, §4.2), to the letter of its
// evaluation program: IoU of classes and categories, and iIoU, where the pixels of an object count by the average size
// of its class over its own size.
//
// Maps hold the release's label ids 0..33, not train ids. Labels that are not evaluated may all be given as 0 in the
// truth: no score looks at which of them a pixel has.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace seg {

inline constexpr int kCityscapesLabels = 34;
inline constexpr int kCityscapesCategories = 8;  // 0 is void
extern const std::array<const char*, kCityscapesCategories> kCityscapesCategoryNames;

struct CityscapesScores {
  // By label id and category. NaN where nothing counts: labels that are not evaluated, classes that occur in neither
  // map, iIoU of stuff.
  std::array<double, kCityscapesLabels> class_iou, class_instance_iou;
  std::array<double, kCityscapesCategories> category_iou, category_instance_iou;
  // Over the entries that are not NaN; NaN if there is none.
  double mean_class_iou, mean_category_iou, mean_class_instance_iou, mean_category_instance_iou;
};

class CityscapesMetrics {
 public:
  CityscapesMetrics() : sums_(kSums) {}

  // One image. `instances` as in the release's instanceIds files: label id * 1000 + number for an object. Maps of
  // different sizes and label ids above 33 are an Error. Without instances (an empty span) the iIoU leave the image's
  // objects out.
  void Add(std::span<const uint8_t> truth, std::span<const uint8_t> prediction, std::span<const uint16_t> instances);

  CityscapesScores Scores() const;

  // Everything that is counted, for sums over ranks.
  std::span<double> sums() { return sums_; }

 private:
  // Whole numbers, exact to 2⁵³.
  double Confusion(int truth, int prediction) const { return sums_[truth * kCityscapesLabels + prediction]; }
  // Weighted pixels of objects: {hits, misses}.
  static constexpr int kClassObjects = kCityscapesLabels * kCityscapesLabels;
  static constexpr int kCategoryObjects = kClassObjects + 2 * kCityscapesLabels;
  static constexpr int kSums = kCategoryObjects + 2 * kCityscapesCategories;

  void AddInstances(std::span<const uint8_t> prediction, std::span<const uint16_t> instances);

  std::vector<double> sums_;
};

}  // namespace seg
