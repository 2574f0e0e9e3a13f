#pragma once

// The reward of a context map (Zhou et al., "Context-reinforced semantic segmentation", CVPR 2019, equation 4).

#include <cstdint>

#include "autograd/core/array.h"

namespace seg {

struct ContextRewardOptions {
  // C_h and C_w, odd: how far a pixel of the context acts, the receptive field of the net that reads it. Pixels that an
  // action next to the border would reach outside are left out of its mean.
  int64_t window_height = 11, window_width = 11;
  double right_context = 0.4;  // β1: of context that is the label
  double uncertain = 0.2;      // β2: of pixels that are left uncertain
  // M, of what a step made of a pixel: wrong → right, right → wrong, wrong → wrong, right → right.
  double gained = 1, lost = -1, kept_wrong = 0, kept_right = 0.5;
};

// before, after uint8 [n, h, w]: the label maps Y^t and Y^{t+1}; context uint8 [n, h, w]: K^t, 0 where uncertain and
// 1 + class elsewhere (seg/models/context_map.h); labels uint8 [n, h, w]: L, 255 where void → float32 [n, h, w],
//
//   r(i, j) = mean of M(Y^t, Y^{t+1}, L) over the window centred on (i, j) + β1·1[K^t = L + 1] + β2·1[K^t = 0].
//
// The mean is over the pixels of the window that lie in the map and are not void, and 0 where there are none. A void
// pixel earns no β1; it earns the mean around it and β2 as others do, and is for the caller to leave out of what is
// averaged. Pixels are counted in integers, and what their counts are worth is computed in float64 and rounded to
// float32 once: the same bits on the CPU and on CUDA. An even window is an Error.
autograd::Array ContextReward(const autograd::Array& before, const autograd::Array& after,
                              const autograd::Array& context, const autograd::Array& labels,
                              const ContextRewardOptions& options = {});

}  // namespace seg
