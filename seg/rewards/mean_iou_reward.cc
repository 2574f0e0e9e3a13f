#include "seg/rewards/mean_iou_reward.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "autograd/runtime/error.h"
#include "autograd/runtime/parallel.h"

namespace seg {
namespace {

constexpr int kMostClasses = 256;

// Pixel counts by class; 64-bit, as maps of any size may be scored.
struct Counts {
  std::array<int64_t, kMostClasses> intersection{}, predicted{};
};

double MeanOverClasses(const Counts& counts, const int64_t* truth, int classes, ClassSet class_set) {
  double sum = 0;
  int averaged = 0;
  for (int k = 0; k < classes; ++k) {
    const int64_t united = truth[k] + counts.predicted[k] - counts.intersection[k];
    if (class_set == ClassSet::kTruth ? truth[k] == 0 : (class_set == ClassSet::kUnion && united == 0)) continue;
    ++averaged;
    if (united == 0) continue;
    sum += static_cast<double>(counts.intersection[k]) / static_cast<double>(united);
  }
  return averaged > 0 ? sum / averaged : 0.0;
}

void RequireClasses(int classes) {
  autograd::Require(classes >= 1 && classes <= 255, "MeanIou", "classes is ", classes);
}

}  // namespace

double ImageMeanIou(const uint8_t* truth, const uint8_t* map, int64_t pixels, int classes, ClassSet class_set,
                    uint8_t void_label) {
  RequireClasses(classes);
  Counts counts;
  std::array<int64_t, kMostClasses> true_pixels{};
  for (int64_t i = 0; i < pixels; ++i) {
    if (truth[i] == void_label) continue;
    autograd::Require(truth[i] < classes, "ImageMeanIou", "true class ", static_cast<int>(truth[i]), " of ", classes);
    ++true_pixels[truth[i]];
    ++counts.predicted[map[i]];
    counts.intersection[map[i]] += map[i] == truth[i] ? 1 : 0;
  }
  return MeanOverClasses(counts, true_pixels.data(), classes, class_set);
}

CellHistograms::CellHistograms(const uint8_t* truth, int64_t height, int64_t width, int64_t grid_height,
                               int64_t grid_width, int classes, uint8_t void_label)
    : classes_(classes),
      histograms_(grid_height * grid_width * classes),
      counted_(grid_height * grid_width),
      truth_(classes) {
  RequireClasses(classes);
  autograd::Require(grid_height >= 1 && grid_height <= height && grid_width >= 1 && grid_width <= width,
                    "CellHistograms", "a grid of ", grid_height, " x ", grid_width, " over ", height, " x ", width,
                    " pixels");
  std::vector<int64_t> column(width);
  for (int64_t x = 0; x < width; ++x) column[x] = x * grid_width / width;
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* row = truth + y * width;
    const int64_t first = y * grid_height / height * grid_width;
    for (int64_t x = 0; x < width; ++x) {
      if (row[x] == void_label) continue;
      autograd::Require(row[x] < classes, "CellHistograms", "true class ", static_cast<int>(row[x]), " of ", classes);
      ++histograms_[(first + column[x]) * classes + row[x]];
      ++counted_[first + column[x]];
    }
  }
  for (size_t i = 0; i < histograms_.size(); ++i) truth_[i % classes] += histograms_[i];
}

double CellHistograms::MeanIou(const uint8_t* map, ClassSet class_set) const {
  Counts counts;
  for (int64_t cell = 0; cell < cells(); ++cell) {
    const int k = map[cell];
    if (k >= classes_) continue;
    counts.predicted[k] += counted_[cell];
    counts.intersection[k] += histograms_[cell * classes_ + k];
  }
  return MeanOverClasses(counts, truth_.data(), classes_, class_set);
}

std::vector<float> MeanIouOfMaps(std::span<const uint8_t* const> truths, const uint8_t* maps, int64_t height,
                                 int64_t width, int64_t grid_height, int64_t grid_width, int classes,
                                 ClassSet class_set, uint8_t void_label) {
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
          direct ? CellHistograms()
                 : CellHistograms(truth, height, width, grid_height, grid_width, classes, void_label);
      for (int64_t index : indices) {
        const uint8_t* map = maps + index * cells;
        scores[index] = static_cast<float>(direct ? ImageMeanIou(truth, map, cells, classes, class_set, void_label)
                                                  : histograms.MeanIou(map, class_set));
      }
    }
  });
  return scores;
}

}  // namespace seg
