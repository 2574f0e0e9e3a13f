#include "seg/rewards/label_batch.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "autograd/core/dims.h"
#include "autograd/ops/resize.h"
#include "seg/rewards/label_batch_kernels.h"

namespace seg {

using autograd::Array;
using autograd::Require;
using autograd::Stream;

Array LabelsAt(const Array& labels, int64_t grid_height, int64_t grid_width) {
  autograd::Dims dims("LabelsAt");
  dims.Match(labels, "labels: b h w").Is(labels, autograd::kUInt8, "labels");
  return autograd::ResizeNearestExact(labels, grid_height, grid_width).array();
}

LabelBatch::LabelBatch(Array labels, int classes) : classes_(classes), labels_(std::move(labels)) {
  autograd::Dims dims("LabelBatch");
  dims.Match(labels_, "labels: b h w").Is(labels_, autograd::kUInt8, "labels");
  Require(classes >= 1 && classes <= kVoid, dims.operation(), classes, " classes");
  Require(dims["h"] * dims["w"] <= std::numeric_limits<int32_t>::max(), dims.operation(), "labels ", labels_.shape());
}

LabelBatch& LabelBatch::Of(std::span<const int64_t> images) {
  if (chosen_ != nullptr && std::ranges::equal(images, chosen_images_)) return *chosen_;
  autograd::Dims dims("LabelBatch::Of");
  dims.Match(labels_, "labels: b h w");
  chosen_images_.assign(images.begin(), images.end());
  const auto count = static_cast<int64_t>(images.size());
  Array chosen = Array::Empty({count, dims["h"], dims["w"]}, autograd::kUInt8);
  for (int64_t i = 0; i < count; ++i) chosen.Slice(i, i + 1).CopyFrom(labels_.Slice(images[i], images[i] + 1));
  chosen_ = std::make_unique<LabelBatch>(std::move(chosen), classes_);
  return *chosen_;
}

MapScores LabelBatch::Scores(const Array& maps, ClassSet class_set) {
  autograd::Dims dims("LabelBatch::Scores");
  dims.Match(labels_, "labels: b h w").Match(maps, "maps: n b gh gw").Is(maps, autograd::kUInt8, "maps");
  const int64_t grid_height = dims["gh"], grid_width = dims["gw"];
  Require(grid_height >= 1 && grid_height <= dims["h"] && grid_width >= 1 && grid_width <= dims["w"], dims.operation(),
          "maps ", maps.shape(), " for labels ", labels_.shape());
  Stream& stream = Stream::Current();
  if (!truth_.defined()) {
    truth_ = Array::Empty({dims["b"], classes_}, autograd::kInt32);
    kernels::CountImageClasses(stream, labels_, truth_);
  }
  MapScores scores{Array::Empty({dims["n"], dims["b"]}, autograd::kFloat32),
                   Array::Empty({dims["n"], dims["b"]}, autograd::kFloat32)};
  if (grid_height == dims["h"] && grid_width == dims["w"]) {
    kernels::ScorePixels(stream, maps, labels_, truth_, class_set, scores.mean_iou, scores.mean_dice);
    return scores;
  }
  Array& histograms = histograms_[{grid_height, grid_width}];
  if (!histograms.defined()) {
    histograms = Array::Empty({dims["b"], grid_height, grid_width, classes_ + 1}, autograd::kInt32);
    kernels::CountCellClasses(stream, labels_, histograms);
  }
  kernels::ScoreCells(stream, maps, histograms, truth_, class_set, scores.mean_iou, scores.mean_dice);
  return scores;
}

PixelMatches LabelBatch::Match(const Array& actions) const {
  autograd::Dims dims("LabelBatch::Match");
  dims.Match(labels_, "labels: b h w").Match(actions, "actions: n b h w").Is(actions, autograd::kUInt8, "actions");
  PixelMatches matches{Array::Empty(actions.shape(), autograd::kFloat32), autograd::EmptyLike(labels_)};
  kernels::PixelMatch(Stream::Current(), labels_, actions, matches.rewards, matches.valid);
  return matches;
}

}  // namespace seg
