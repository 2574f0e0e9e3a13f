#include <algorithm>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "rl/estimators/pairwise_spatial_difference_kernels.h"

namespace rl::cpu {

using autograd::Array;
using autograd::ParallelFor;
using autograd::Stream;

void PairwiseSpatialDifference(Stream&, const Array& rewards, const Array& actions, const Array& valid,
                               Array& advantages) {
  const int64_t maps = actions.shape()[0], images = actions.shape()[1];
  const int64_t positions = maps == 0 ? 0 : actions.size() / maps;
  const int64_t pixels = images == 0 ? 0 : positions / images;
  const float* reward = rewards.data<float>();
  const uint8_t* action = actions.data<uint8_t>();
  const uint8_t* mask = valid.defined() ? valid.data<uint8_t>() : nullptr;
  float* out = advantages.data<float>();
  const double partners = maps > 1 ? 1.0 / static_cast<double>(maps - 1) : 0.0;

  ParallelFor(positions, 1 << 10, [&](int64_t begin, int64_t end) {
    // By class: how many maps show it here, and the sum of their rewards. Sums of float32 rewards are exact in float64
    // as long as they span less than some 2^20, so a difference that cancels is exactly 0: "non-zero" has a meaning.
    double count[256] = {}, sum[256] = {};
    std::vector<double> own(maps);
    double total = 0;
    int64_t loaded_image = -1;
    for (int64_t p = begin; p < end; ++p) {
      const int64_t image = p / pixels;
      if (image != loaded_image) {
        total = 0;
        for (int64_t i = 0; i < maps; ++i) total += own[i] = reward[i * images + image];
        loaded_image = image;
      }
      const uint8_t first = action[p];
      bool differ = false;
      for (int64_t i = 0; i < maps; ++i) differ |= action[i * positions + p] != first;
      if (!differ || (mask != nullptr && mask[p] == 0)) {
        for (int64_t i = 0; i < maps; ++i) out[i * positions + p] = 0.0f;
        continue;
      }
      for (int64_t i = 0; i < maps; ++i) {
        const uint8_t a = action[i * positions + p];
        count[a] += 1;
        sum[a] += own[i];
      }
      for (int64_t i = 0; i < maps; ++i) {
        const uint8_t a = action[i * positions + p];
        const double others = static_cast<double>(maps) - count[a];
        out[i * positions + p] = static_cast<float>((others * own[i] - (total - sum[a])) * partners);
      }
      for (int64_t i = 0; i < maps; ++i) {
        const uint8_t a = action[i * positions + p];
        count[a] = 0;
        sum[a] = 0;
      }
    }
  });
}

}  // namespace rl::cpu
