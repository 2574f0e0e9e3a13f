// Colours and textures of things. The families overlap on purpose: grass, leaves and water may all be green,
// so a colour alone does not tell the class.
#pragma once

#include "data/random/random_sequence.h"
#include "data/scenes/scene.h"

namespace data::scenes {

enum class Material { kSky, kEarth, kLeaves, kWater, kStone, kWood, kPaint, kSkin, kCloud, kGlass };

// A colour of the material, or sometimes of any other one.
Rgb PickColor(Material material, RandomSequence& random);

// A texture in two colours of the material, with a pattern that is likely for it.
Texture PickTexture(Material material, RandomSequence& random);

// One colour without a pattern.
Texture Plain(const Rgb& color, RandomSequence& random);

Rgb Mix(const Rgb& a, const Rgb& b, float share_of_b);
Rgb Scale(const Rgb& a, float factor);

}  // namespace data::scenes
