#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "seg/rewards/boundary_pixels.h"

namespace seg {

// boundaries uint8 [n, b, h, w]: the class of each boundary pixel of maps uint8 [n, b, h, w], and kNoBoundary
// elsewhere. labels uint8 [b, h, w].
KERNEL(MarkBoundaries, void(autograd::Stream&, const autograd::Array& maps, const autograd::Array& labels, int classes,
                            autograd::Array& boundaries));

// scores float32 [n, b] of what MarkBoundaries made of the maps [n, b, h, w] and of the labels [1, b, h, w].
KERNEL(BoundaryF, void(autograd::Stream&, const autograd::Array& maps, const autograd::Array& truth, int classes,
                       const Disc& disc, ClassSet set, autograd::Array& scores));

}  // namespace seg
