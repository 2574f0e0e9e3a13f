#pragma once

// σ by channel over time, as a picture.

#include "autograd/core/array.h"
#include "data/formats/image.h"

namespace experiments::latent {

// deviations float32 [moments, d], σ of each channel, later moments below; rows of zeros (moments that a run has not
// come to) are left out. A column is a channel, the channels sorted by their last σ; the colour is log σ from blue (the
// smallest in the picture) over white (σ = 1) to red (the largest). Under the map stands what the ends of the scale
// mean. Empty (0 × 0) without any moment.
data::Image DrawDeviations(const autograd::Array& deviations);

}  // namespace experiments::latent
