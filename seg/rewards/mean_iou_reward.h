#pragma once

// Mean intersection over union of one label map with one image's truth: the score that RSS learns from (section 3.2.1). The paper
// does not say over which classes the mean goes: kTruth is the default choice here; with kUnion the divisor changes with every
// stray class; kAll divides by the number of classes. Pure functions on label maps; the accumulation is in integers.

#include <cstdint>
#include <span>
#include <vector>

#include "seg/metrics/confusion_matrix.h"

namespace seg {

// truth and map [pixels]. Pixels whose truth is `void_label` are left out; a map value outside [0, classes) counts as wrong for
// the true class and for nothing else. 0 when no pixel counts.
double ImageMeanIou(const uint8_t* truth, const uint8_t* map, int64_t pixels, int classes, ClassSet class_set,
                    uint8_t void_label = 255);

// How often each class occurs in the truth under each cell of a grid. Maps drawn on that grid and shown at full size by
// nearest-neighbour upsampling (pixel (y, x) shows cell (⌊y·grid_height/height⌋, ⌊x·grid_width/width⌋)) then cost one look-up a
// cell and never become pixels: MeanIou equals ImageMeanIou of the upsampled map, exactly.
class CellHistograms {
 public:
  CellHistograms() = default;
  // truth [height, width].
  CellHistograms(const uint8_t* truth, int64_t height, int64_t width, int64_t grid_height, int64_t grid_width,
                 int classes, uint8_t void_label = 255);

  // map [grid_height, grid_width].
  double MeanIou(const uint8_t* map, ClassSet class_set) const;

  int64_t cells() const { return static_cast<int64_t>(counted_.size()); }

 private:
  int classes_ = 0;
  std::vector<uint32_t> histograms_;  // [cells, classes]
  std::vector<uint32_t> counted_;     // [cells]: pixels that are not void
  std::vector<int64_t> truth_;        // [classes]
};

// Scores of maps [count, grid_height, grid_width] of images given by truths[i] (each [height, width]); the maps of one image need
// not be neighbours, and its histograms are built once. Images are scored in parallel.
std::vector<float> MeanIouOfMaps(std::span<const uint8_t* const> truths, const uint8_t* maps, int64_t height,
                                 int64_t width, int64_t grid_height, int64_t grid_width, int classes,
                                 ClassSet class_set, uint8_t void_label = 255);

}  // namespace seg
