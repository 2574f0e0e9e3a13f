#include "data/scenes/compose.h"

#include <algorithm>
#include <utility>

#include "data/random/random_sequence.h"
#include "data/scenes/classes.h"
#include "data/scenes/noise.h"
#include "data/scenes/objects.h"
#include "data/scenes/palette.h"

namespace data::scenes {
namespace {

// In distances of the lower border of the image.
constexpr float kSkyDistance = 16, kHillDistance = 7, kFlyingDistance = 3;

// Draws stand in statements or braced lists of their own: the order in which C++ evaluates function arguments
// differs between compilers.
class Composer {
 public:
  Composer(const autograd::RandomKey& key, int class_count, float aspect) : random_(key), class_count_(class_count) {
    scene_.aspect = aspect;
  }

  Scene Compose() {
    // One scene in twelve looks down: ground everywhere and things lying about in any direction.
    looking_down_ = random_.Chance(0.08f);
    scene_.horizon = looking_down_ ? -0.4f : random_.Uniform(0.12f, 0.68f);
    roll_ = random_.Uniform(-0.025f, 0.025f) * (looking_down_ ? 0.0f : 1.0f);
    scene_.haze = Mix(PickColor(Material::kSky, random_), Rgb{0.8f, 0.8f, 0.82f}, 0.4f);
    haze_ = random_.Chance(0.4f) ? random_.Uniform(0.05f, 0.35f) : 0.0f;
    sun_ = random_.Chance(0.5f) ? random_.Uniform(0.15f, 0.45f) : 0.0f;
    sun_slant_ = random_.Uniform(-1.2f, 1.2f);
    sun_length_ = random_.Uniform(0.2f, 0.6f);
    if (random_.Chance(0.4f)) sun_length_ = -sun_length_;

    Sky();
    if (!looking_down_) Hills();
    Ground();
    Water();
    Road();
    Things();
    Light();
    return std::move(scene_);
  }

 private:
  bool Has(int label) const { return label < class_count_; }

  Layer& Add(int label) {
    scene_.layers.emplace_back();
    scene_.layers.back().label = label;
    return scene_.layers.back();
  }

  void Rough(Shape& shape, float roughness, float frequency) {
    shape.roughness = roughness;
    shape.roughness_frequency = frequency;
    shape.noise_x = random_.Uniform(0, kLattice);
    shape.noise_y = random_.Uniform(0, kLattice);
  }

  // Everything below a line through (aspect/2, y), turned by the camera's roll and `turns` more.
  Part HalfPlane(float y, float turns, const Texture& texture) const {
    Part part;
    part.shape.kind = Shape::Kind::kHalfPlane;
    part.shape.x = scene_.aspect * 0.5f;
    part.shape.y = y;
    part.shape.cosine = CosineOfTurns(roll_ + turns);
    part.shape.sine = SineOfTurns(roll_ + turns);
    part.texture = texture;
    return part;
  }

  Texture GroundTexture(Material material) {
    Texture texture = PickTexture(material, random_);
    texture.perspective = !looking_down_;
    texture.horizon = scene_.horizon;
    if (texture.perspective) texture.frequency *= random_.Uniform(0.25f, 0.6f);
    return texture;
  }

  void Sky() {
    Layer& sky = Add(looking_down_ ? kGround : kSky);
    Texture texture = PickTexture(Material::kSky, random_);
    texture.frequency *= 0.4f;
    texture.grain *= 0.5f;
    sky.parts.push_back(HalfPlane(-10.0f, 0, texture));
    if (!looking_down_) sky.distance = kSkyDistance;
    if (looking_down_) return;
    // Clouds belong to the sky unless the dataset has a class for them; then they come as things.
    if (!Has(kCloud) && random_.Chance(0.55f)) {
      const int clouds = 1 + random_.Below(4);
      for (int i = 0; i < clouds; ++i) {
        Layer& layer = Add(kSky);
        layer.distance = kSkyDistance;
        layer.parts = BuildThing(kCloud, random_);
        const float x = random_.Uniform(0, scene_.aspect);
        const float y = random_.Uniform(-0.05f, scene_.horizon);
        Place({x, y, random_.Uniform(0.06f, 0.26f), 0, false}, layer.parts);
      }
    }
  }

  // Ridges on the horizon: mountains, or just more ground.
  void Hills() {
    if (!random_.Chance(Has(kMountain) ? 0.5f : 0.3f)) return;
    const int ridges = 1 + random_.Below(2);
    float top = scene_.horizon - random_.Uniform(0.03f, 0.22f);
    for (int i = 0; i < ridges; ++i) {
      const bool mountain = Has(kMountain) && random_.Chance(0.8f);
      Layer& layer = Add(mountain ? kMountain : kGround);
      const Material material = random_.Chance(0.5f) ? Material::kStone : Material::kEarth;
      const float turns = random_.Uniform(-0.02f, 0.02f);
      Part ridge = HalfPlane(top, turns, PickTexture(material, random_));
      const float roughness = random_.Uniform(0.02f, 0.16f);
      Rough(ridge.shape, roughness, random_.Uniform(2.0f, 6.0f));
      layer.parts.push_back(ridge);
      layer.haze = haze_ * (1.2f - 0.4f * static_cast<float>(i));
      layer.distance = kHillDistance / static_cast<float>(1 + i);
      top += random_.Uniform(0.03f, 0.12f);
    }
  }

  void Ground() {
    Layer& layer = Add(kGround);
    layer.haze = haze_;
    layer.haze_by_depth = !looking_down_;
    Part ground = HalfPlane(scene_.horizon, 0, GroundTexture(Material::kEarth));
    if (random_.Chance(0.5f)) {
      const float roughness = random_.Uniform(0.005f, 0.05f);
      Rough(ground.shape, roughness, random_.Uniform(2.0f, 14.0f));
    }
    layer.parts.push_back(ground);
    // Patches of other soil, snow or leaves, which are ground all the same.
    if (random_.Chance(0.4f)) layer.parts.push_back(FlatPatch(GroundTexture(Material::kEarth)));
    if (random_.Chance(0.04f)) layer.parts.push_back(FlatPatch(GroundTexture(Material::kWater)));
  }

  // A lake or a meadow: an irregular ellipse that perspective makes flat.
  Part FlatPatch(const Texture& texture) {
    Part part;
    part.texture = texture;
    part.shape.x = random_.Uniform(0, scene_.aspect);
    const float top = std::max(scene_.horizon, 0.0f);
    const float depth = random_.Uniform(0.12f, 1.0f);
    part.shape.y = top + (1.0f - top) * depth;
    part.shape.half_width = random_.Uniform(0.15f, 0.6f) * (0.35f + depth * 0.65f);
    part.shape.half_height =
        part.shape.half_width * (looking_down_ ? random_.Uniform(0.4f, 1.0f) : random_.Uniform(0.15f, 0.45f));
    part.shape.cosine = CosineOfTurns(roll_);
    part.shape.sine = SineOfTurns(roll_);
    Rough(part.shape, part.shape.half_height * 0.35f, 5.0f);
    return part;
  }

  void Water() {
    if (!Has(kWater) || !random_.Chance(0.68f)) return;
    const Texture texture = GroundTexture(Material::kWater);
    const int kind = random_.Below(3);
    Layer& layer = Add(kWater);
    layer.haze = haze_;
    layer.haze_by_depth = !looking_down_;
    if (kind == 0 || looking_down_) {
      for (int lakes = 1 + random_.Below(2); lakes > 0; --lakes) layer.parts.push_back(FlatPatch(texture));
      return;
    }
    // A sea: from the horizon down to a shore, or from a shore to the viewer.
    const float shore = scene_.horizon + (1.0f - scene_.horizon) * random_.Uniform(0.2f, 0.75f);
    const float turns = random_.Uniform(-0.04f, 0.04f);
    const float roughness = random_.Uniform(0.01f, 0.06f);
    if (kind == 1) {
      layer.parts.push_back(HalfPlane(scene_.horizon, 0, texture));
      Layer& land = Add(kGround);
      land.haze_by_depth = true;
      land.haze = haze_;
      Part beach = HalfPlane(shore, turns, GroundTexture(Material::kEarth));
      Rough(beach.shape, roughness, random_.Uniform(2.0f, 8.0f));
      land.parts.push_back(beach);
    } else {
      Part water = HalfPlane(shore, turns, texture);
      Rough(water.shape, roughness, random_.Uniform(2.0f, 8.0f));
      layer.parts.push_back(water);
    }
  }

  void Road() {
    if (!Has(kRoad) || !random_.Chance(0.6f)) return;
    const Texture asphalt = GroundTexture(random_.Chance(0.7f) ? Material::kStone : Material::kEarth);
    const Texture line = Plain(PickColor(Material::kCloud, random_), random_);
    const bool marked = random_.Chance(0.5f);
    Layer& layer = Add(kRoad);
    layer.haze = haze_;
    layer.haze_by_depth = !looking_down_;
    const float top = std::max(scene_.horizon, -0.1f), half_height = (1.15f - top) * 0.5f;
    Part road;
    road.shape.kind = Shape::Kind::kTrapezoid;
    road.shape.x = scene_.aspect * random_.Uniform(0.2f, 0.8f);
    road.shape.y = top + half_height;
    road.shape.half_height = half_height;
    road.shape.half_width = random_.Uniform(0.15f, 0.5f);
    road.shape.parameter =
        looking_down_ ? road.shape.half_width : road.shape.half_width * random_.Uniform(0.02f, 0.15f);
    const float turns = looking_down_ ? random_.Uniform(0.0f, 0.5f) : random_.Uniform(-0.05f, 0.05f);
    if (looking_down_) road.shape.half_height = 2.0f;
    road.shape.cosine = CosineOfTurns(turns);
    road.shape.sine = SineOfTurns(turns);
    road.texture = asphalt;
    layer.parts.push_back(road);
    if (!marked) return;
    road.shape.half_width *= 0.06f;
    road.shape.parameter *= 0.06f;
    road.texture = line;
    layer.parts.push_back(road);
  }

  void Things() {
    std::vector<int> available;
    for (int label = 0; label < class_count_; ++label) {
      if (IsThing(label) && !(Flies(label) && looking_down_)) available.push_back(label);
    }
    if (available.empty()) return;
    // A few classes a scene, so that some scenes are full of one thing.
    std::vector<int> chosen;
    for (int i = 1 + random_.Below(4); i > 0; --i) {
      chosen.push_back(available[random_.Below(static_cast<int>(available.size()))]);
    }
    struct Standing {
      int label;
      float base;
    };
    std::vector<Standing> things;
    int count = 1 + random_.Below(3);
    count += random_.Below(4);
    const float ground = std::max(scene_.horizon, 0.05f);
    for (int i = 0; i < count; ++i) {
      const int label = chosen[random_.Below(static_cast<int>(chosen.size()))];
      const float depth = random_.Uniform(0.03f, 1.0f);
      things.push_back({label, Flies(label) ? depth * 0.95f * ground : ground + (1.12f - ground) * depth});
    }
    // Far things first. The sort is stable, so equal bases keep their order everywhere.
    std::stable_sort(things.begin(), things.end(),
                     [](const Standing& a, const Standing& b) { return a.base < b.base; });
    for (const Standing& thing : things) AddThing(thing.label, thing.base, ground);
  }

  void AddThing(int label, float base, float ground) {
    Layer& layer = Add(label);
    layer.parts = BuildThing(label, random_);
    const float nearness = std::clamp((base - ground) / (1.0f - ground), 0.0f, 1.1f);
    float scale = TypicalHeight(label) * random_.Uniform(0.8f, 1.5f);
    if (Flies(label)) {
      scale *= random_.Uniform(0.6f, 1.3f);
    } else {
      scale *= looking_down_ ? random_.Uniform(0.9f, 1.4f) : 0.75f + 0.8f * nearness;
      layer.haze = looking_down_ ? 0.0f : haze_ * (1.0f - std::min(nearness, 1.0f));
    }
    Placement placement;
    placement.x = random_.Uniform(-0.05f, scene_.aspect + 0.05f);
    placement.y = base;
    placement.scale = scale;
    placement.turns = looking_down_ ? random_.Uniform(0.0f, 1.0f) : roll_ + random_.Uniform(-0.02f, 0.02f);
    placement.mirrored = random_.Chance(0.5f);
    Place(placement, layer.parts);
    if (!looking_down_) layer.distance = Flies(label) ? kFlyingDistance : DistanceOf(nearness);
    const float roundness = random_.Uniform(0.0f, 0.35f);
    layer.relief_x = roundness * (sun_slant_ > 0 ? -1.0f : 1.0f);
    layer.relief_y = -roundness * 0.6f;
    if (!Flies(label)) {
      layer.shadow = sun_;
      layer.base_x = placement.x;
      layer.base_y = placement.y;
      layer.shadow_slant = sun_slant_;
      layer.shadow_length = sun_length_;
    }
  }

  void Light() {
    Camera& camera = scene_.camera;
    const float gain = random_.Chance(0.08f) ? random_.Uniform(0.45f, 0.7f) : random_.Uniform(0.8f, 1.2f);
    const float warmth = random_.Uniform(-0.1f, 0.1f), green = random_.Uniform(-0.06f, 0.06f);
    camera.gain = {gain * (1.0f + warmth), gain * (1.0f + green), gain * (1.0f - warmth)};
    if (random_.Chance(0.4f)) {
      camera.gradient_x = random_.Uniform(-0.35f, 0.35f);
      camera.gradient_y = random_.Uniform(-0.3f, 0.3f);
    }
    if (random_.Chance(0.5f)) camera.vignette = random_.Uniform(0.0f, 0.6f);
    camera.contrast = random_.Uniform(0.8f, 1.2f);
    if (random_.Chance(0.25f)) camera.blur = random_.Uniform(0.05f, 0.25f);
    camera.noise = random_.Uniform(0.005f, 0.025f);
    if (random_.Chance(0.1f)) camera.noise *= 1.8f;
  }

  RandomSequence random_;
  const int class_count_;
  Scene scene_;
  bool looking_down_ = false;
  float roll_ = 0, haze_ = 0;
  float sun_ = 0, sun_slant_ = 0, sun_length_ = 0;
};

}  // namespace

Scene ComposeScene(const autograd::RandomKey& key, int class_count, float aspect) {
  return Composer(key, class_count, aspect).Compose();
}

}  // namespace data::scenes
