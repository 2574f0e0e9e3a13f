// Draws a scene: a label map that is exact at the pixel centres, and an image with smooth edges, light and
// noise.
#pragma once

#include "autograd/runtime/random.h"
#include "data/formats/image.h"
#include "data/scenes/scene.h"

namespace data::scenes {

struct Rendering {
  Image image;
  LabelMap label;
};

// `noise_key` draws the sensor's noise. The size in pixels need not suit scene.aspect.
Rendering RenderScene(const Scene& scene, int height, int width, const autograd::RandomKey& noise_key);

}  // namespace data::scenes
