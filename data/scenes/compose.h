// Makes up a scene: where the horizon is, what lies on the ground, which things stand where, the light and
// the lens.
#pragma once

#include "autograd/runtime/random.h"
#include "data/scenes/scene.h"

namespace data::scenes {

// Labels are below `class_count`. The same key gives the same scene everywhere.
Scene ComposeScene(const autograd::RandomKey& key, int class_count, float aspect);

}  // namespace data::scenes
