#pragma once

// Scores of one label map against one truth, as rewards want them (spec: the image-level reward of RSS is the mIoU of a
// sampled map). Pixels whose truth is void count for nothing; a map's value that is not below `classes` is wrong for
// the true class and counts for no other. An image without a pixel that counts scores 0.

#include <cstdint>
#include <span>

#include "seg/metrics/class_counts.h"

namespace seg {

struct ImageScores {
  double mean_iou = 0;
  double mean_dice = 0;
  double pixel_accuracy = 0;
};

// Means are over the classes of `set` in this image: kTruth those in the truth, kUnion those in the truth or in the map
// (at pixels that are not void), kAll all of them.
ImageScores ScoreImage(std::span<const uint8_t> truth, std::span<const uint8_t> map, int classes,
                       ClassSet set = ClassSet::kTruth);

// The same from the counts of one image, class by class.
ImageScores ScoresOf(std::span<const ClassCounts> by_class, ClassSet set);

}  // namespace seg
