// The light in which a scene is seen, or the style in which it is drawn: domains that differ in their images and not in
// their labels.
#pragma once

#include <cstdint>

#include "autograd/runtime/random.h"
#include "data/scenes/scene.h"

namespace data {

enum class SceneLight : uint8_t {
  kDay,
  kNight,  // little light of a blue cast, lamps with halos, strong noise of the sensor
  kHaze,   // contrast falls with the distance (Koschmieder's law), the colour of the air is added
  kOther,  // as a print: other inks and coarser, stronger patterns
};

namespace scenes {

// Changes colours, light and camera of a composed scene, but no shape, so that its label map stays as it is. Day leaves
// the scene alone. The same key gives the same change everywhere.
void Illuminate(SceneLight light, const autograd::RandomKey& key, Scene& scene);

}  // namespace scenes
}  // namespace data
