#include "data/scenes/light.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "data/random/random_sequence.h"
#include "data/scenes/classes.h"
#include "data/scenes/objects.h"
#include "data/scenes/palette.h"

namespace data::scenes {
namespace {

// Sodium, tungsten, mercury, daylight of LEDs.
constexpr Rgb kLampColors[] = {{1.0f, 0.66f, 0.3f}, {1.0f, 0.82f, 0.56f}, {0.8f, 0.95f, 0.9f}, {0.95f, 0.97f, 1.0f}};

Lamp NewLamp(float x, float y, float size, RandomSequence& random) {
  Lamp lamp;
  lamp.x = x;
  lamp.y = y;
  lamp.radius = size * random.Uniform(0.7f, 1.3f);
  lamp.reach = size * random.Uniform(10.0f, 18.0f);
  const Rgb color = kLampColors[random.Below(std::size(kLampColors))];
  lamp.color = Scale(color, random.Uniform(0.6f, 1.1f));
  return lamp;
}

// Where a thing of the class has lights, some have: at a part, mostly a window, a headlight, the top of a mast.
bool MayBeLit(int label) {
  return label == kHouse || label == kCar || label == kBoat || label == kTower || label == kSign || label == kWindmill;
}

void Night(RandomSequence& random, Scene& scene) {
  scene.night = true;
  const float level = random.Uniform(0.14f, 0.3f), cast = random.Uniform(0.0f, 0.25f);
  scene.ambient = {level * (1.0f - cast), level, level * (1.0f + cast)};
  for (Layer& layer : scene.layers) {
    layer.shadow = 0;  // there is no sun
    if (layer.label == kSky) {
      for (Part& part : layer.parts) {
        const float dark = random.Uniform(0.25f, 0.5f);
        part.texture.first = Scale(part.texture.first, dark);
        part.texture.second = Scale(part.texture.second, dark);
      }
    }
    if (!MayBeLit(layer.label) || layer.parts.empty() || !random.Chance(0.6f)) continue;
    const Shape& at = layer.parts[random.Below(static_cast<int>(layer.parts.size()))].shape;
    scene.lamps.push_back(NewLamp(at.x, at.y, 0.014f / std::max(0.6f, layer.distance * 0.4f), random));
  }
  // Of the street.
  for (int i = 1 + random.Below(4); i > 0; --i) {
    const float x = random.Uniform(0.0f, scene.aspect), nearness = random.Uniform(0.0f, 1.0f);
    const float ground = std::max(scene.horizon, 0.0f), base = ground + (1.0f - ground) * nearness;
    const float mast = 0.1f + 0.35f * nearness;
    scene.lamps.push_back(NewLamp(x, base - mast, 0.007f + 0.012f * nearness, random));
  }
  Camera& camera = scene.camera;
  const float warmth = random.Uniform(-0.12f, 0.12f);
  camera.gain = {1.0f + warmth, 1.0f, 1.0f - warmth};
  camera.contrast = 1;
  camera.noise = random.Uniform(0.03f, 0.06f);
}

void Haze(RandomSequence& random, Scene& scene) {
  scene.fog = random.Uniform(0.2f, 0.5f);
  const float brightness = random.Uniform(0.68f, 0.88f), tint = random.Uniform(-0.04f, 0.04f);
  scene.haze = {brightness * (1.0f + tint), brightness, brightness * (1.0f - tint)};
  for (Layer& layer : scene.layers) {
    layer.shadow *= 0.3f;
    layer.relief_x *= 0.4f;
    layer.relief_y *= 0.4f;
  }
}

// Three channels in another order, and away from the middle: green leaves become red or blue ones, and inks are
// stronger than paints.
Rgb Ink(const Rgb& color, bool forward) {
  const Rgb turned = forward ? Rgb{color.green, color.blue, color.red} : Rgb{color.blue, color.red, color.green};
  const float grey = (turned.red + turned.green + turned.blue) * (1.0f / 3.0f);
  const auto stronger = [grey](float value) { return std::clamp(grey + 1.6f * (value - grey), 0.0f, 1.0f); };
  return {stronger(turned.red), stronger(turned.green), stronger(turned.blue)};
}

void Other(RandomSequence& random, Scene& scene) {
  using Kind = Texture::Kind;
  constexpr Kind kKinds[] = {Kind::kStripes, Kind::kChecker, Kind::kSpots, Kind::kBricks, Kind::kPlain};
  const bool forward = random.Chance(0.5f);
  struct Printed {
    Texture from, to;
  };
  for (Layer& layer : scene.layers) {
    // Parts of one texture keep one.
    std::vector<Printed> printed;
    for (Part& part : layer.parts) {
      const auto same = [&part](const Printed& earlier) {
        const Texture &a = earlier.from, &b = part.texture;
        return a.offset_x == b.offset_x && a.first.red == b.first.red && a.first.green == b.first.green &&
               a.first.blue == b.first.blue;
      };
      const auto known = std::find_if(printed.begin(), printed.end(), same);
      if (known != printed.end()) {
        part.texture = known->to;
        continue;
      }
      Texture texture = part.texture;
      texture.kind = kKinds[random.Below(std::size(kKinds))];
      texture.first = Ink(texture.first, forward);
      texture.second =
          Scale(texture.first, random.Chance(0.5f) ? random.Uniform(0.45f, 0.65f) : random.Uniform(1.35f, 1.6f));
      texture.frequency *= random.Uniform(0.8f, 1.4f);
      texture.cosine = texture.sine = 0.70710678f;  // hatched
      texture.grain = 0;
      printed.push_back({part.texture, texture});
      part.texture = texture;
    }
    layer.haze = 0;
    layer.shadow *= 0.5f;
    layer.relief_x = layer.relief_y = 0;
  }
  scene.camera.blur = 0;
  scene.camera.vignette = 0;
}

}  // namespace

void Illuminate(SceneLight light, const autograd::RandomKey& key, Scene& scene) {
  RandomSequence random(key);
  switch (light) {
    case SceneLight::kDay:
      return;
    case SceneLight::kNight:
      return Night(random, scene);
    case SceneLight::kHaze:
      return Haze(random, scene);
    case SceneLight::kOther:
      return Other(random, scene);
  }
}

}  // namespace data::scenes
