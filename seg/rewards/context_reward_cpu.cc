#include <algorithm>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "seg/rewards/context_outcomes.h"
#include "seg/rewards/context_reward_kernels.h"

namespace seg::cpu {

using autograd::Array;
using autograd::Stream;

// Running sums down each column and along each row, of integers: a pixel costs the same whatever the window.
void ContextReward(Stream&, const Array& before, const Array& after, const Array& context, const Array& labels,
                   const ContextRewardOptions& options, Array& rewards) {
  const int64_t images = labels.shape()[0], height = labels.shape()[1], width = labels.shape()[2];
  if (labels.size() == 0) return;
  const int64_t reach_down = std::min(options.window_height / 2, height);
  const int64_t reach_across = std::min(options.window_width / 2, width);
  // A band of rows begins with sums over a window of its own, so it has at least as many rows as the window.
  const int64_t band = std::clamp<int64_t>(2 * reach_down, 32, std::max<int64_t>(32, height));
  const int64_t bands = (height + band - 1) / band;
  autograd::ParallelPieces(images * bands, [&](int64_t piece) {
    const int64_t image = piece / bands, first = piece % bands * band, last = std::min(height, first + band);
    const int64_t origin = image * height * width;
    const uint8_t *const old_map = before.data<uint8_t>() + origin, *const new_map = after.data<uint8_t>() + origin,
                         *const contexts = context.data<uint8_t>() + origin,
                         *const truth = labels.data<uint8_t>() + origin;
    float* const out = rewards.data<float>() + origin;

    std::vector<OutcomeCounts> columns(width);  // of the window's rows
    const auto count_row = [&](int64_t row, int32_t change) {
      for (int64_t j = 0, pixel = row * width; j < width; ++j, ++pixel)
        columns[j].Count(Outcome(old_map[pixel], new_map[pixel], truth[pixel]), change);
    };
    for (int64_t row = std::max<int64_t>(0, first - reach_down); row < std::min(height, first + reach_down); ++row)
      count_row(row, 1);
    for (int64_t i = first; i < last; ++i) {
      if (i + reach_down < height) count_row(i + reach_down, 1);
      if (i > first && i - reach_down > 0) count_row(i - reach_down - 1, -1);
      OutcomeCounts window;
      for (int64_t j = 0; j < reach_across; ++j) window.Add(columns[j]);
      for (int64_t j = 0, pixel = i * width; j < width; ++j, ++pixel) {
        if (j + reach_across < width) window.Add(columns[j + reach_across]);
        if (j - reach_across > 0) window.Remove(columns[j - reach_across - 1]);
        out[pixel] = RewardOf(window, contexts[pixel], truth[pixel], options);
      }
    }
  });
}

}  // namespace seg::cpu
