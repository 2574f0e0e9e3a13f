#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "seg/continual/pod_geometry.h"

namespace seg {

// means [n, p, c] float32 (float64 for float64): the row and column means, in the cells of all scales, of map² − other²
// (of map² where `other` is undefined); map, other [n, h, w, c].
KERNEL(LocalPodMeans, void(autograd::Stream&, const autograd::Array& map, const autograd::Array& other,
                           const PodScales& scales, autograd::Array& means));

// dmap = 2·map·Σ of the means that its pixel is in, each over its number of pixels, times dy / (n·distance), or 0 where
// an image's distance is 0. means [n, p, c], distances [n], dy [].
KERNEL(LocalPodGradient, void(autograd::Stream&, const autograd::Array& map, const autograd::Array& means,
                              const autograd::Array& distances, const autograd::Array& dy, const PodScales& scales,
                              autograd::Array& dmap));

}  // namespace seg
