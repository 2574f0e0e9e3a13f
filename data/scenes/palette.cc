#include "data/scenes/palette.h"

#include <vector>

#include "data/scenes/noise.h"

namespace data::scenes {
namespace {

const std::vector<Rgb>& Colors(Material material) {
  static const std::vector<Rgb> sky = {{0.45f, 0.65f, 0.92f}, {0.62f, 0.78f, 0.95f}, {0.30f, 0.47f, 0.80f},
                                       {0.80f, 0.84f, 0.88f}, {0.60f, 0.63f, 0.68f}, {0.95f, 0.72f, 0.50f},
                                       {0.90f, 0.58f, 0.55f}, {0.25f, 0.28f, 0.45f}, {0.72f, 0.82f, 0.80f}};
  static const std::vector<Rgb> earth = {{0.36f, 0.52f, 0.22f}, {0.50f, 0.58f, 0.28f}, {0.60f, 0.54f, 0.32f},
                                         {0.76f, 0.66f, 0.45f}, {0.48f, 0.36f, 0.24f}, {0.45f, 0.44f, 0.42f},
                                         {0.86f, 0.87f, 0.90f}, {0.66f, 0.45f, 0.30f}, {0.30f, 0.40f, 0.25f}};
  static const std::vector<Rgb> leaves = {{0.20f, 0.42f, 0.16f}, {0.34f, 0.52f, 0.20f}, {0.14f, 0.30f, 0.18f},
                                          {0.52f, 0.58f, 0.22f}, {0.74f, 0.58f, 0.18f}, {0.68f, 0.34f, 0.16f},
                                          {0.42f, 0.30f, 0.20f}, {0.80f, 0.62f, 0.68f}};
  static const std::vector<Rgb> water = {{0.20f, 0.38f, 0.58f}, {0.30f, 0.52f, 0.62f}, {0.16f, 0.30f, 0.40f},
                                         {0.36f, 0.50f, 0.60f}, {0.26f, 0.46f, 0.42f}, {0.55f, 0.66f, 0.78f},
                                         {0.14f, 0.26f, 0.50f}, {0.30f, 0.45f, 0.34f}};
  static const std::vector<Rgb> stone = {{0.55f, 0.54f, 0.52f}, {0.42f, 0.41f, 0.42f}, {0.70f, 0.66f, 0.58f},
                                         {0.62f, 0.50f, 0.42f}, {0.34f, 0.36f, 0.42f}, {0.84f, 0.82f, 0.78f}};
  static const std::vector<Rgb> wood = {{0.42f, 0.28f, 0.16f},
                                        {0.56f, 0.40f, 0.24f},
                                        {0.30f, 0.22f, 0.16f},
                                        {0.70f, 0.56f, 0.38f},
                                        {0.48f, 0.44f, 0.40f}};
  static const std::vector<Rgb> paint = {{0.78f, 0.22f, 0.18f}, {0.90f, 0.88f, 0.84f}, {0.18f, 0.20f, 0.24f},
                                         {0.22f, 0.36f, 0.66f}, {0.88f, 0.72f, 0.24f}, {0.24f, 0.50f, 0.34f},
                                         {0.56f, 0.58f, 0.62f}, {0.84f, 0.48f, 0.22f}, {0.50f, 0.22f, 0.46f},
                                         {0.72f, 0.58f, 0.44f}, {0.44f, 0.66f, 0.74f}};
  static const std::vector<Rgb> skin = {{0.92f, 0.74f, 0.62f}, {0.74f, 0.54f, 0.40f}, {0.48f, 0.32f, 0.22f}};
  static const std::vector<Rgb> cloud = {
      {0.95f, 0.95f, 0.96f}, {0.80f, 0.82f, 0.86f}, {0.62f, 0.64f, 0.70f}, {0.96f, 0.84f, 0.74f}};
  static const std::vector<Rgb> glass = {
      {0.16f, 0.20f, 0.26f}, {0.50f, 0.62f, 0.72f}, {0.30f, 0.34f, 0.40f}, {0.92f, 0.84f, 0.55f}};
  switch (material) {
    case Material::kSky:
      return sky;
    case Material::kEarth:
      return earth;
    case Material::kLeaves:
      return leaves;
    case Material::kWater:
      return water;
    case Material::kStone:
      return stone;
    case Material::kWood:
      return wood;
    case Material::kPaint:
      return paint;
    case Material::kSkin:
      return skin;
    case Material::kCloud:
      return cloud;
    case Material::kGlass:
      return glass;
  }
  return paint;
}

constexpr Material kAllMaterials[] = {Material::kSky,   Material::kEarth, Material::kLeaves, Material::kWater,
                                      Material::kStone, Material::kWood,  Material::kPaint,  Material::kCloud};

// Patterns that suit a material; one in twenty is any pattern at all.
Texture::Kind PickKind(Material material, RandomSequence& random) {
  using Kind = Texture::Kind;
  if (random.Chance(0.05f)) return static_cast<Kind>(random.Below(7));
  const auto pick = [&](std::initializer_list<Kind> kinds) { return kinds.begin()[random.Below(kinds.size())]; };
  switch (material) {
    case Material::kSky:
      return pick({Kind::kGradient, Kind::kGradient, Kind::kNoise, Kind::kPlain});
    case Material::kEarth:
      return pick({Kind::kNoise, Kind::kSpots, Kind::kStripes, Kind::kPlain, Kind::kNoise});
    case Material::kLeaves:
      return pick({Kind::kNoise, Kind::kSpots, Kind::kSpots});
    case Material::kWater:
      return pick({Kind::kStripes, Kind::kNoise, Kind::kPlain, Kind::kGradient});
    case Material::kStone:
      return pick({Kind::kNoise, Kind::kBricks, Kind::kBricks, Kind::kPlain});
    case Material::kWood:
      return pick({Kind::kStripes, Kind::kPlain, Kind::kNoise});
    case Material::kPaint:
      return pick({Kind::kPlain, Kind::kPlain, Kind::kStripes, Kind::kChecker, Kind::kGradient, Kind::kBricks});
    case Material::kSkin:
    case Material::kGlass:
      return pick({Kind::kPlain, Kind::kGradient});
    case Material::kCloud:
      return pick({Kind::kNoise, Kind::kGradient});
  }
  return Kind::kPlain;
}

}  // namespace

Rgb Mix(const Rgb& a, const Rgb& b, float share_of_b) {
  return {a.red + (b.red - a.red) * share_of_b, a.green + (b.green - a.green) * share_of_b,
          a.blue + (b.blue - a.blue) * share_of_b};
}

Rgb Scale(const Rgb& a, float factor) { return {a.red * factor, a.green * factor, a.blue * factor}; }

Rgb PickColor(Material material, RandomSequence& random) {
  if (random.Chance(0.03f)) material = kAllMaterials[random.Below(std::size(kAllMaterials))];
  const std::vector<Rgb>& colors = Colors(material);
  const Rgb base = colors[random.Below(static_cast<int>(colors.size()))];
  const Rgb other = colors[random.Below(static_cast<int>(colors.size()))];
  const Rgb mixed = Mix(base, other, random.Uniform(0.0f, 0.35f));
  return {mixed.red * random.Uniform(0.9f, 1.1f), mixed.green * random.Uniform(0.9f, 1.1f),
          mixed.blue * random.Uniform(0.9f, 1.1f)};
}

Texture PickTexture(Material material, RandomSequence& random) {
  Texture texture;
  texture.kind = PickKind(material, random);
  texture.first = PickColor(material, random);
  // Mostly a shade of the first colour, sometimes another colour of the material.
  texture.second =
      random.Chance(0.8f) ? Scale(texture.first, random.Uniform(0.65f, 1.3f)) : PickColor(material, random);
  texture.frequency = random.Uniform(4.0f, 20.0f);
  const float turns = random.Chance(0.5f) ? 0.25f * static_cast<float>(random.Below(4)) : random.Uniform(0.0f, 1.0f);
  texture.cosine = CosineOfTurns(turns);
  texture.sine = SineOfTurns(turns);
  texture.offset_x = random.Uniform(0.0f, static_cast<float>(kLattice));
  texture.offset_y = random.Uniform(0.0f, static_cast<float>(kLattice));
  texture.grain = random.Uniform(0.0f, 0.12f);
  return texture;
}

Texture Plain(const Rgb& color, RandomSequence& random) {
  Texture texture;
  texture.first = texture.second = color;
  texture.offset_x = random.Uniform(0.0f, static_cast<float>(kLattice));
  texture.grain = random.Uniform(0.0f, 0.1f);
  return texture;
}

}  // namespace data::scenes
