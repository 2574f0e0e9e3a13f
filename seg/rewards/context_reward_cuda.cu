#include "autograd/ops/rows_cuda.h"
#include "seg/rewards/context_outcomes.h"
#include "seg/rewards/context_reward_kernels.h"

namespace seg::cuda {
namespace {

using namespace autograd::cuda;  // NOLINT: what every kernel file shares
using autograd::Array;
using autograd::Stream;

// Separable: a pixel reads the window's columns of its row, then the window's rows of what they count.
__global__ void CountAcrossKernel(const uint8_t* before, const uint8_t* after, const uint8_t* labels, int64_t rows,
                                  uint32_t width, uint32_t reach, OutcomeCounts* counts) {
  ForEachInRows(rows, width, [&](int64_t row, uint32_t column) {
    const int64_t start = row * width;
    const uint32_t first = column > reach ? column - reach : 0, last = min(width - 1, column + reach);
    OutcomeCounts window;
    for (uint32_t j = first; j <= last; ++j)
      window.Count(Outcome(before[start + j], after[start + j], labels[start + j]), 1);
    counts[start + column] = window;
  });
}

__global__ void RewardKernel(const OutcomeCounts* counts, const uint8_t* context, const uint8_t* labels, int64_t rows,
                             int64_t height, uint32_t width, int64_t reach, ContextRewardOptions options,
                             float* rewards) {
  ForEachInRows(rows, width, [&](int64_t row, uint32_t column) {
    const int64_t top = Divide(row, height) * height;
    const int64_t first = max(top, row - reach), last = min(top + height - 1, row + reach);
    OutcomeCounts window;
    for (int64_t i = first; i <= last; ++i) window.Add(counts[i * width + column]);
    const int64_t pixel = row * width + column;
    rewards[pixel] = RewardOf(window, context[pixel], labels[pixel], options);
  });
}

}  // namespace

void ContextReward(Stream& stream, const Array& before, const Array& after, const Array& context, const Array& labels,
                   const ContextRewardOptions& options, Array& rewards) {
  if (labels.size() == 0) return;
  const int64_t height = labels.shape()[1], width = labels.shape()[2], rows = labels.shape()[0] * height;
  Array counts = Array::Empty({rows, width, 4}, autograd::kInt32);
  const RowLaunch launch = LaunchOfRows("ContextReward", rows, width);
  Launch("ContextReward", stream, launch.grid, launch.block, CountAcrossKernel, before.data<uint8_t>(),
         after.data<uint8_t>(), labels.data<uint8_t>(), rows, width, std::min(options.window_width / 2, width),
         static_cast<OutcomeCounts*>(counts.raw()));
  Launch("ContextReward", stream, launch.grid, launch.block, RewardKernel,
         static_cast<const OutcomeCounts*>(counts.raw()), context.data<uint8_t>(), labels.data<uint8_t>(), rows, height,
         width, std::min(options.window_height / 2, height), options, rewards.data<float>());
}

}  // namespace seg::cuda
