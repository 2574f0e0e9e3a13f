#pragma once

// The reward of one pixel: 1 where the sampled class is the true one, 0 elsewhere (RSS, section 3.1.1), nothing where
// the truth is void.

#include <cstdint>

namespace seg {

// truth [pixels]; actions and rewards [maps, pixels]; valid [pixels] becomes 1 where there is a reward and 0 where
// truth is `void_label` (rewards are 0 there).
void PixelMatchReward(const uint8_t* truth, const uint8_t* actions, int64_t maps, int64_t pixels, float* rewards,
                      uint8_t* valid, uint8_t void_label = 255);

}  // namespace seg
