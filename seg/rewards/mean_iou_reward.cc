#include "seg/rewards/mean_iou_reward.h"

#include <algorithm>
#include <map>
#include <utility>

#include "autograd/runtime/error.h"
#include "autograd/runtime/parallel.h"

namespace seg {

void CountCells(const uint8_t* truth, int64_t height, int64_t width, int64_t grid_height, int64_t grid_width,
                int classes, int32_t* histograms) {
  autograd::Require(classes >= 1 && classes <= kVoid, "CountCells", classes, " classes");
  autograd::Require(grid_height >= 1 && grid_height <= height && grid_width >= 1 && grid_width <= width, "CountCells",
                    "a grid of ", grid_height, " x ", grid_width, " over ", height, " x ", width, " pixels");
  std::fill_n(histograms, grid_height * grid_width * (classes + 1), 0);
  std::vector<int64_t> column(width);
  for (int64_t x = 0; x < width; ++x) column[x] = x * grid_width / width;
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* row = truth + y * width;
    const int64_t first = y * grid_height / height * grid_width;
    for (int64_t x = 0; x < width; ++x) {
      if (row[x] == kVoid) continue;
      autograd::Require(row[x] < classes, "CountCells", "true class ", static_cast<int>(row[x]), " of ", classes);
      int32_t* const cell = histograms + (first + column[x]) * (classes + 1);
      ++cell[row[x]];
      ++cell[classes];
    }
  }
}

ImageScores ScoreCells(const uint8_t* map, const int32_t* histograms, int64_t cells, std::span<const int32_t> truth,
                       ClassSet class_set) {
  const size_t classes = truth.size();
  std::vector<ClassCounts> by_class(classes);
  for (size_t k = 0; k < classes; ++k) by_class[k].truth = truth[k];
  for (int64_t i = 0; i < cells; ++i) {
    const size_t k = map[i];
    if (k >= classes) continue;
    const int32_t* const cell = histograms + i * (classes + 1);
    by_class[k].prediction += cell[classes];
    by_class[k].hits += cell[k];
  }
  return ScoresOf(by_class, class_set);
}

CellHistograms::CellHistograms(const uint8_t* truth, int64_t height, int64_t width, int64_t grid_height,
                               int64_t grid_width, int classes)
    : cells_(grid_height * grid_width), histograms_(cells_ * (classes + 1)), truth_(classes) {
  CountCells(truth, height, width, grid_height, grid_width, classes, histograms_.data());
  for (int64_t cell = 0; cell < cells_; ++cell) {
    for (int k = 0; k < classes; ++k) truth_[k] += histograms_[cell * (classes + 1) + k];
  }
}

ImageScores CellHistograms::Scores(const uint8_t* map, ClassSet class_set) const {
  return ScoreCells(map, histograms_.data(), cells_, truth_, class_set);
}

std::vector<float> MeanIouOfMaps(std::span<const uint8_t* const> truths, const uint8_t* maps, int64_t height,
                                 int64_t width, int64_t grid_height, int64_t grid_width, int classes,
                                 ClassSet class_set) {
  std::map<const uint8_t*, std::vector<int64_t>> by_image;
  for (size_t i = 0; i < truths.size(); ++i) by_image[truths[i]].push_back(static_cast<int64_t>(i));
  std::vector<std::pair<const uint8_t*, std::vector<int64_t>>> images(by_image.begin(), by_image.end());
  const int64_t cells = grid_height * grid_width;
  // A histogram pays when cells hold several pixels; at full resolution the pixels themselves are the shorter way.
  const bool direct = cells == height * width;
  std::vector<float> scores(truths.size());
  const int64_t grain = std::max<int64_t>(1, (1 << 14) / (height * width));
  autograd::ParallelFor(static_cast<int64_t>(images.size()), grain, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      const auto& [truth, indices] = images[image];
      const CellHistograms histograms =
          direct ? CellHistograms() : CellHistograms(truth, height, width, grid_height, grid_width, classes);
      const std::span<const uint8_t> pixels(truth, height * width);
      for (int64_t index : indices) {
        const std::span<const uint8_t> map(maps + index * cells, cells);
        scores[index] = static_cast<float>(direct ? ScoreImage(pixels, map, classes, class_set).mean_iou
                                                  : histograms.MeanIou(map.data(), class_set));
      }
    }
  });
  return scores;
}

}  // namespace seg
