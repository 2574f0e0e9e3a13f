// Things: their parts in a frame of their own, the base at y = 0 and the top near y = -1, turned, mirrored
// and scaled into place.
#pragma once

#include <vector>

#include "data/random/random_sequence.h"
#include "data/scenes/classes.h"
#include "data/scenes/scene.h"

namespace data::scenes {

bool IsThing(int label);
// Things that hang in the air.
bool Flies(int label);
// Height in image heights at the middle of the ground.
float TypicalHeight(int label);

// A new thing of the class, different each time.
std::vector<Part> BuildThing(int label, RandomSequence& random);

struct Placement {
  float x = 0, y = 0;  // of the base
  float scale = 1;
  float turns = 0;
  bool mirrored = false;
};
void Place(const Placement& placement, std::vector<Part>& parts);

}  // namespace data::scenes
