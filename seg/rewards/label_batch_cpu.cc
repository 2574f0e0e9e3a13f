#include <algorithm>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "seg/metrics/image_scores.h"
#include "seg/rewards/label_batch_kernels.h"
#include "seg/rewards/mean_iou_reward.h"
#include "seg/rewards/pixel_match_reward.h"

namespace seg::cpu {
namespace {

using autograd::Array;
using autograd::ParallelFor;
using autograd::Stream;

int64_t ImageGrain(int64_t work) { return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, work)); }

// Calls score(map, image), n·b times.
template <typename Score>
void ScoreMaps(const Array& maps, Array& mean_iou, Array& mean_dice, const Score& score) {
  const int64_t images = maps.shape()[1], cells = maps.shape()[2] * maps.shape()[3];
  const uint8_t* const in = maps.data<uint8_t>();
  float *const iou = mean_iou.data<float>(), *const dice = mean_dice.data<float>();
  ParallelFor(mean_iou.size(), ImageGrain(cells), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const ImageScores scores = score(in + i * cells, i % images);
      iou[i] = static_cast<float>(scores.mean_iou);
      dice[i] = static_cast<float>(scores.mean_dice);
    }
  });
}

}  // namespace

void CountCellClasses(Stream&, const Array& labels, Array& histograms) {
  const int64_t height = labels.shape()[1], width = labels.shape()[2];
  const int64_t grid_height = histograms.shape()[1], grid_width = histograms.shape()[2];
  const int64_t size = grid_height * grid_width * histograms.shape()[3];
  const int classes = static_cast<int>(histograms.shape()[3]) - 1;
  ParallelFor(labels.shape()[0], ImageGrain(height * width), [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      CountCells(labels.data<uint8_t>() + image * height * width, height, width, grid_height, grid_width, classes,
                 histograms.data<int32_t>() + image * size);
    }
  });
}

void CountImageClasses(Stream&, const Array& labels, Array& truth) {
  const int64_t pixels = labels.shape()[1] * labels.shape()[2];
  const int classes = static_cast<int>(truth.shape()[1]);
  std::vector<int32_t> counted(classes + 1);
  for (int64_t image = 0; image < labels.shape()[0]; ++image) {
    CountCells(labels.data<uint8_t>() + image * pixels, 1, pixels, 1, 1, classes, counted.data());
    std::copy(counted.begin(), counted.end() - 1, truth.data<int32_t>() + image * classes);
  }
}

void ScoreCells(Stream&, const Array& maps, const Array& histograms, const Array& truth, ClassSet set, Array& mean_iou,
                Array& mean_dice) {
  const int64_t cells = maps.shape()[2] * maps.shape()[3], classes = truth.shape()[1];
  ScoreMaps(maps, mean_iou, mean_dice, [&](const uint8_t* map, int64_t image) {
    return seg::ScoreCells(map, histograms.data<int32_t>() + image * cells * (classes + 1), cells,
                           std::span(truth.data<int32_t>() + image * classes, classes), set);
  });
}

void ScorePixels(Stream&, const Array& maps, const Array& labels, const Array& truth, ClassSet set, Array& mean_iou,
                 Array& mean_dice) {
  const int64_t pixels = maps.shape()[2] * maps.shape()[3];
  const int classes = static_cast<int>(truth.shape()[1]);
  ScoreMaps(maps, mean_iou, mean_dice, [&](const uint8_t* map, int64_t image) {
    const std::span label(labels.data<uint8_t>() + image * pixels, pixels);
    return ScoreImage(label, std::span(map, pixels), classes, set);
  });
}

void PixelMatch(Stream&, const Array& labels, const Array& actions, Array& rewards, Array& valid) {
  PixelMatchReward(labels.data<uint8_t>(), actions.data<uint8_t>(), actions.shape()[0], labels.size(),
                   rewards.data<float>(), valid.data<uint8_t>(), kVoid);
}

}  // namespace seg::cpu
