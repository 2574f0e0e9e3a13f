#include "seg/rewards/pixel_match_reward.h"

#include "autograd/runtime/parallel.h"

namespace seg {

void PixelMatchReward(const uint8_t* truth, const uint8_t* actions, int64_t maps, int64_t pixels, float* rewards,
                      uint8_t* valid, uint8_t void_label) {
  autograd::ParallelFor(pixels, 1 << 13, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) valid[i] = truth[i] != void_label;
    for (int64_t map = 0; map < maps; ++map) {
      const uint8_t* action = actions + map * pixels;
      float* reward = rewards + map * pixels;
      for (int64_t i = begin; i < end; ++i) {
        reward[i] = static_cast<float>(static_cast<int>(action[i] == truth[i]) & static_cast<int>(valid[i]));
      }
    }
  });
}

}  // namespace seg
