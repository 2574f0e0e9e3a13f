#pragma once

// Mean intersection over union of one label map with one image's truth: the score that RSS learns from (section 3.2.1).
// The paper does not say over which classes the mean goes: kTruth is the default choice here; with kUnion the divisor
// changes with every stray class; kAll divides by the number of classes. Pure functions on label maps; the accumulation
// is in integers.

#include <cstdint>
#include <span>
#include <vector>

#include "seg/metrics/class_counts.h"
#include "seg/metrics/image_scores.h"

namespace seg {

// histograms [grid_height·grid_width, classes + 1]: how often each class occurs in truth [height, width] under each
// cell of a grid, and last their sum. truth: below `classes` or kVoid, which counts nowhere. Pixel (y, x) lies under
// cell (⌊y·grid_height/height⌋, ⌊x·grid_width/width⌋): nearest-neighbour upsampling of a map on the grid.
void CountCells(const uint8_t* truth, int64_t height, int64_t width, int64_t grid_height, int64_t grid_width,
                int classes, int32_t* histograms);

// The scores of map [cells] on that grid: one look-up a cell, and the map never becomes pixels. truth [classes]: how
// often each class occurs in the image. They equal those of ScoreImage for the upsampled map, exactly.
ImageScores ScoreCells(const uint8_t* map, const int32_t* histograms, int64_t cells, std::span<const int32_t> truth,
                       ClassSet class_set);

// Both for one image. For a batch, and on any device: label_batch.h.
class CellHistograms {
 public:
  CellHistograms() = default;
  CellHistograms(const uint8_t* truth, int64_t height, int64_t width, int64_t grid_height, int64_t grid_width,
                 int classes);

  // map [grid_height, grid_width].
  ImageScores Scores(const uint8_t* map, ClassSet class_set) const;
  double MeanIou(const uint8_t* map, ClassSet class_set) const { return Scores(map, class_set).mean_iou; }

 private:
  int64_t cells_ = 0;
  std::vector<int32_t> histograms_, truth_;
};

// Scores of maps [count, grid_height, grid_width] of images given by truths[i] (each [height, width]); the maps of one
// image need not be neighbours, and its histograms are built once. Images are scored in parallel.
std::vector<float> MeanIouOfMaps(std::span<const uint8_t* const> truths, const uint8_t* maps, int64_t height,
                                 int64_t width, int64_t grid_height, int64_t grid_width, int classes,
                                 ClassSet class_set);

}  // namespace seg
