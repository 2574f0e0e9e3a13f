#pragma once

// The truth of a batch of images, kept where the maps are that it scores: nothing passes the host.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "autograd/core/array.h"
#include "seg/metrics/class_counts.h"

namespace seg {

// labels uint8 [b, height, width] → uint8 [b, grid_height, grid_width]: the label under the centre of each cell, pixel
// ⌊(i + ½)·height/grid_height⌋. A map of the grid that is resized bilinearly (align_corners = false) has the cell's
// value there. On the labels' device.
autograd::Array LabelsAt(const autograd::Array& labels, int64_t grid_height, int64_t grid_width);

struct PixelMatches {
  autograd::Array rewards;  // float32 [n, b, height, width]: 1 where the action is the label, 0 elsewhere
  autograd::Array valid;    // uint8 [b, height, width]: 0 where the label is void
};

struct MapScores {
  autograd::Array mean_iou, mean_dice;  // float32 [n, b]
};

class LabelBatch {
 public:
  LabelBatch() = default;
  // labels uint8 [b, height, width] on the current stream's device: below `classes` (1 to 255) or kVoid. Another value
  // is an Error on the CPU and void elsewhere.
  LabelBatch(autograd::Array labels, int classes);

  const autograd::Array& labels() const { return labels_; }

  // The labels of these images (positions in this batch), in their order. Kept, with what they have counted, until
  // others are asked for.
  LabelBatch& Of(std::span<const int64_t> images);

  // Mean IoU and mean Dice of n maps of each image, uint8 [n, b, grid_height, grid_width] on a grid no finer than the
  // labels: those of CellHistograms (mean_iou_reward.h), which are those of ScoreImage. What a grid needs to know of
  // the labels is counted at its first use.
  MapScores Scores(const autograd::Array& maps, ClassSet class_set);
  autograd::Array MeanIou(const autograd::Array& maps, ClassSet class_set) { return Scores(maps, class_set).mean_iou; }

  // actions uint8 [n, b, height, width].
  PixelMatches Match(const autograd::Array& actions) const;

 private:
  int classes_ = 0;
  autograd::Array labels_;
  autograd::Array truth_;                                              // int32 [b, classes]
  std::map<std::pair<int64_t, int64_t>, autograd::Array> histograms_;  // by grid
  std::vector<int64_t> chosen_images_;
  std::unique_ptr<LabelBatch> chosen_;
};

}  // namespace seg
