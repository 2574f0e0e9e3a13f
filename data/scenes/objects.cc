#include "data/scenes/objects.h"

#include <utility>

#include "data/scenes/noise.h"
#include "data/scenes/palette.h"

namespace data::scenes {
namespace {

using Kind = Shape::Kind;

// The arguments of a part are one braced list and not several parameters, because only in braces does C++ fix
// the order in which the random draws among them are made.
struct Extent {
  float x, y, half_width, half_height;
  Texture texture;
};
struct Rounded {
  float x, y, half_width, half_height;
  Texture texture;
  float corner = 0;
};
struct Tapered {
  float x, y, bottom, top, half_height;
  Texture texture;
};
struct Bar {  // with round ends, from one point to another
  float x0, y0, x1, y1, half_width;
  Texture texture;
};
struct WindowGrid {
  float half_width, top, bottom;
  int columns, rows;
  Texture glass;
};

// Collects parts; every thing is built from these few words.
class Builder {
 public:
  explicit Builder(RandomSequence& random) : random_(random) {}

  Shape& Ellipse(const Extent& e) { return Add(Kind::kEllipse, e.x, e.y, e.half_width, e.half_height, 0, e.texture); }
  Shape& Box(const Rounded& r) { return Add(Kind::kBox, r.x, r.y, r.half_width, r.half_height, r.corner, r.texture); }
  Shape& Trapezoid(const Tapered& t) {
    return Add(Kind::kTrapezoid, t.x, t.y, t.bottom, t.half_height, t.top, t.texture);
  }
  Shape& Limb(const Bar& bar) {
    const float dx = bar.x1 - bar.x0, dy = bar.y1 - bar.y0;
    const float length = std::sqrt(dx * dx + dy * dy);
    Shape& shape = Add(Kind::kBox, (bar.x0 + bar.x1) * 0.5f, (bar.y0 + bar.y1) * 0.5f, length * 0.5f + bar.half_width,
                       bar.half_width, bar.half_width * 0.99f, bar.texture);
    if (length > 0) {
      shape.cosine = dx / length;
      shape.sine = dy / length;
    }
    return shape;
  }
  void Rough(Shape& shape, float roughness, float frequency) {
    shape.roughness = roughness;
    shape.roughness_frequency = frequency;
    shape.noise_x = Uniform(0, kLattice);
    shape.noise_y = Uniform(0, kLattice);
  }

  float Uniform(float low, float high) { return random_.Uniform(low, high); }
  int Below(int count) { return random_.Below(count); }
  bool Chance(float probability) { return random_.Chance(probability); }
  Texture Pattern(Material material) { return PickTexture(material, random_); }
  Texture Color(Material material) { return Plain(PickColor(material, random_), random_); }
  std::vector<Part> Take() { return std::move(parts_); }

 private:
  Shape& Add(Kind kind, float x, float y, float half_width, float half_height, float parameter,
             const Texture& texture) {
    Part part;
    part.shape.kind = kind;
    part.shape.x = x;
    part.shape.y = y;
    part.shape.half_width = half_width;
    part.shape.half_height = half_height;
    part.shape.parameter = parameter;
    part.texture = texture;
    parts_.push_back(part);
    return parts_.back().shape;
  }

  RandomSequence& random_;
  std::vector<Part> parts_;
};

void Tree(Builder& b) {
  const Texture bark = b.Pattern(Material::kWood);
  const Texture leaves = b.Pattern(Material::kLeaves);
  const float trunk = b.Uniform(0.03f, 0.07f);
  switch (b.Below(7) / 2) {
    case 0: {  // broad crown of a few clumps
      b.Trapezoid({0, -0.25f, trunk * 1.3f, trunk * 0.8f, 0.28f, bark});
      const int clumps = 1 + b.Below(4);
      for (int i = 0; i < clumps; ++i) {
        const float radius = b.Uniform(0.2f, 0.32f);
        b.Rough(b.Ellipse({b.Uniform(-0.18f, 0.18f), b.Uniform(-0.78f, -0.55f), radius * b.Uniform(0.9f, 1.4f), radius,
                           leaves}),
                0.1f, 9);
      }
      break;
    }
    case 1: {  // conifer
      b.Box({0, -0.08f, trunk, 0.1f, bark});
      const int tiers = 1 + b.Below(4);
      const float width = b.Uniform(0.2f, 0.34f);
      for (int i = 0; i < tiers; ++i) {
        const float step = static_cast<float>(i) / static_cast<float>(tiers);
        b.Rough(b.Trapezoid({0, -0.12f - 0.22f - 0.5f * step, width * (1.0f - 0.55f * step), 0, 0.24f, leaves}), 0.035f,
                14);
      }
      break;
    }
    case 2: {  // poplar
      b.Box({0, -0.1f, trunk, 0.12f, bark});
      b.Rough(b.Ellipse({0, -0.57f, b.Uniform(0.12f, 0.2f), 0.43f, leaves}), 0.06f, 8);
      break;
    }
    default: {  // bare or nearly so
      b.Trapezoid({0, -0.35f, trunk * 1.2f, trunk * 0.5f, 0.37f, bark});
      const int branches = 3 + b.Below(4);
      for (int i = 0; i < branches; ++i) {
        const float start = b.Uniform(-0.65f, -0.35f), reach = b.Uniform(-0.32f, 0.32f);
        b.Limb({0, start, reach, start - b.Uniform(0.15f, 0.35f), 0.022f, bark});
        if (b.Chance(0.4f)) b.Rough(b.Ellipse({reach, start - 0.3f, 0.12f, 0.1f, leaves}), 0.06f, 12);
      }
    }
  }
}

void Windows(Builder& b, const WindowGrid& grid) {
  const float cell = 2 * grid.half_width / static_cast<float>(grid.columns);
  const float storey = (grid.bottom - grid.top) / static_cast<float>(grid.rows);
  for (int r = 0; r < grid.rows; ++r) {
    for (int c = 0; c < grid.columns; ++c) {
      const float x = -grid.half_width + (static_cast<float>(c) + 0.5f) * cell;
      b.Box({x, grid.top + (static_cast<float>(r) + 0.5f) * storey, cell * 0.27f, storey * 0.28f, grid.glass});
    }
  }
}

void House(Builder& b) {
  const Texture wall = b.Pattern(b.Chance(0.5f) ? Material::kStone : Material::kPaint);
  const Texture roof = b.Pattern(b.Chance(0.6f) ? Material::kPaint : Material::kWood);
  const float half_width = b.Uniform(0.35f, 0.75f), eaves = b.Uniform(0.5f, 0.72f);
  b.Box({0, -eaves * 0.5f, half_width, eaves * 0.5f, wall});
  if (b.Chance(0.3f)) b.Box({half_width * b.Uniform(-0.6f, 0.6f), -0.88f, 0.05f, 0.14f, b.Pattern(Material::kStone)});
  const float rise = (1.0f - eaves) * 0.5f;
  const int style = b.Below(4);
  if (style < 3) {
    const float top = style == 0 ? 0 : half_width * b.Uniform(0.3f, 0.8f);
    b.Trapezoid({0, -eaves - rise, half_width * 1.15f, top, rise, roof});
  } else {
    b.Box({0, -eaves, half_width * 1.05f, 0.04f, roof});
  }
  const Texture glass = b.Color(Material::kGlass);
  const int rows = 1 + b.Below(3);
  if (!b.Chance(0.12f))
    Windows(b, {half_width * 0.9f, -eaves * 0.95f, -eaves * (rows == 1 ? 0.35f : 0.1f), 1 + b.Below(4), rows, glass});
  if (b.Chance(0.6f)) {
    b.Box({half_width * b.Uniform(-0.5f, 0.5f), -0.13f, 0.08f, 0.13f,
           b.Color(b.Chance(0.5f) ? Material::kWood : Material::kPaint)});
  }
}

void Car(Builder& b) {
  const Texture body = b.Chance(0.75f) ? b.Color(Material::kPaint) : b.Pattern(Material::kPaint);
  const Texture glass = b.Color(Material::kGlass);
  Texture tyre = b.Color(Material::kGlass);
  tyre.first = tyre.second = Scale(tyre.first, 0.4f);
  const float half_length = b.Uniform(0.85f, 1.15f), wheel = b.Uniform(0.17f, 0.23f);
  switch (b.Below(4)) {
    case 0:  // van
      b.Box({0, -0.55f, half_length, 0.4f, body, 0.1f});
      b.Box({half_length * 0.7f, -0.68f, half_length * 0.2f, 0.15f, glass, 0.02f});
      if (b.Chance(0.6f)) Windows(b, {half_length * 0.5f, -0.9f, -0.5f, 1 + b.Below(4), 1, glass});
      break;
    case 1:  // lorry
      b.Box({-half_length * 0.25f, -0.6f, half_length * 0.75f, 0.4f, b.Pattern(Material::kPaint)});
      b.Box({half_length * 0.76f, -0.45f, half_length * 0.26f, 0.28f, body, 0.05f});
      b.Box({half_length * 0.82f, -0.55f, half_length * 0.14f, 0.11f, glass, 0.02f});
      break;
    default: {  // saloon, hatchback
      const float cabin = b.Uniform(0.35f, 0.65f) * half_length, shift = b.Uniform(-0.3f, 0.2f) * half_length;
      b.Trapezoid({shift, -0.72f, cabin * 1.35f, cabin * 0.8f, 0.22f, body});
      b.Trapezoid({shift, -0.7f, cabin * 1.15f, cabin * 0.72f, 0.15f, glass});
      b.Box({shift, -0.7f, 0.025f, 0.17f, body});
      b.Box({0, -0.4f, half_length, 0.22f, body, 0.12f});
      b.Box({half_length * 0.93f, -0.45f, 0.05f, 0.05f, b.Color(Material::kCloud), 0.02f});
    }
  }
  const int axles = b.Chance(0.85f) ? 2 : 3;
  for (int i = 0; i < axles; ++i) {
    const float x = half_length * (axles == 2 ? (i == 0 ? -0.58f : 0.58f) : -0.65f + 0.62f * static_cast<float>(i));
    b.Ellipse({x, -wheel, wheel, wheel, tyre});
    b.Ellipse({x, -wheel, wheel * 0.45f, wheel * 0.45f, b.Color(Material::kStone)});
  }
}

void Person(Builder& b) {
  const Texture skin = b.Color(Material::kSkin), legs = b.Color(Material::kPaint);
  const Texture shirt = b.Chance(0.7f) ? b.Color(Material::kPaint) : b.Pattern(Material::kPaint);
  const float stride = b.Uniform(0.02f, 0.14f), lean = b.Uniform(-0.04f, 0.04f);
  b.Limb({0.03f, -0.45f, stride, -0.03f, 0.055f, legs});
  b.Limb({-0.03f, -0.45f, -stride, -0.03f, 0.055f, legs});
  b.Limb({lean - 0.1f, -0.75f, lean - b.Uniform(0.1f, 0.28f), b.Uniform(-0.85f, -0.42f), 0.04f, shirt});
  b.Limb({lean + 0.1f, -0.75f, lean + b.Uniform(0.1f, 0.28f), b.Uniform(-0.85f, -0.42f), 0.04f, shirt});
  b.Box({lean, -0.62f, b.Uniform(0.1f, 0.16f), 0.2f, shirt, 0.07f});
  b.Ellipse({lean, -0.9f, 0.085f, 0.1f, skin});
  if (b.Chance(0.7f)) b.Ellipse({lean, -0.95f, 0.09f, 0.06f, b.Color(Material::kWood)});
}

void Animal(Builder& b) {
  const Texture fur = b.Pattern(b.Chance(0.7f) ? Material::kWood : Material::kCloud);
  const float length = b.Uniform(0.4f, 0.65f), leg = b.Uniform(0.25f, 0.5f), girth = b.Uniform(0.17f, 0.28f);
  const float back = -leg - girth;
  for (const float x : {-0.8f, -0.6f, 0.6f, 0.8f}) {
    b.Limb({x * length, -leg, x * length + b.Uniform(-0.06f, 0.06f), -0.03f, 0.05f, fur});
  }
  b.Limb({-length, back, -length - b.Uniform(0.08f, 0.25f), back + b.Uniform(-0.25f, 0.2f), 0.03f, fur});
  b.Ellipse({0, back, length * 1.1f, girth, fur});
  const float head = length + b.Uniform(0.1f, 0.2f), height = back - b.Uniform(0.1f, 0.35f);
  b.Limb({length * 0.8f, back, head, height, 0.09f, fur});
  b.Ellipse({head + 0.05f, height, 0.16f, 0.11f, fur});
  b.Trapezoid({head - 0.03f, height - 0.13f, 0.05f, 0, 0.07f, fur});
}

void Fence(Builder& b) {
  const Texture wood = b.Pattern(b.Chance(0.7f) ? Material::kWood : Material::kPaint);
  const int posts = 4 + b.Below(6);
  const float gap = b.Uniform(0.22f, 0.4f), half = gap * 0.5f * static_cast<float>(posts - 1);
  for (const float y : {-0.35f, -0.72f}) b.Box({0, y, half + 0.1f, 0.06f, wood});
  for (int i = 0; i < posts; ++i) {
    const float x = gap * static_cast<float>(i) - half;
    b.Box({x, -0.48f, 0.065f, 0.48f, wood});
    b.Trapezoid({x, -1.0f, 0.065f, 0, 0.06f, wood});
  }
}

void Boat(Builder& b) {
  const Texture hull = b.Pattern(b.Chance(0.5f) ? Material::kWood : Material::kPaint);
  const float half_length = b.Uniform(0.45f, 0.75f);
  if (b.Chance(0.65f)) {
    b.Box({0, -0.55f, 0.02f, 0.45f, b.Color(Material::kWood)});
    const Texture sail = b.Pattern(b.Chance(0.6f) ? Material::kCloud : Material::kPaint);
    b.Trapezoid({b.Uniform(0.1f, 0.2f), -0.62f, half_length * 0.5f, 0, 0.34f, sail});
    if (b.Chance(0.5f)) b.Trapezoid({-0.16f, -0.55f, half_length * 0.3f, 0.02f, 0.27f, sail});
  } else {
    b.Box({-half_length * 0.2f, -0.38f, half_length * 0.4f, 0.16f, b.Color(Material::kPaint), 0.03f});
    Windows(b, {half_length * 0.4f, -0.5f, -0.3f, 3, 1, b.Color(Material::kGlass)});
  }
  b.Trapezoid({0, -0.12f, half_length * 0.7f, half_length, 0.13f, hull});
}

void Rock(Builder& b) {
  const Texture stone = b.Pattern(Material::kStone);
  const int pieces = 1 + b.Below(3);
  for (int i = 0; i < pieces; ++i) {
    const float height = b.Uniform(0.3f, 0.5f);
    b.Rough(b.Ellipse({b.Uniform(-0.35f, 0.35f), -height * 0.8f, b.Uniform(0.4f, 0.7f), height, stone}), 0.14f, 3);
  }
}

void Bush(Builder& b) {
  const Texture leaves = b.Pattern(Material::kLeaves);
  const int clumps = 2 + b.Below(4);
  for (int i = 0; i < clumps; ++i) {
    const float radius = b.Uniform(0.3f, 0.48f);
    b.Rough(b.Ellipse({b.Uniform(-0.6f, 0.6f), -radius * 0.9f, radius * 1.2f, radius, leaves}), 0.14f, 6);
  }
}

void Sign(Builder& b) {
  b.Box({0, -0.35f, 0.03f, 0.36f, b.Color(Material::kStone)});
  const Texture rim = b.Color(Material::kPaint), face = b.Pattern(Material::kPaint);
  const float size = b.Uniform(0.16f, 0.24f);
  switch (b.Below(3)) {
    case 0:
      b.Ellipse({0, -0.78f, size, size, rim});
      b.Ellipse({0, -0.78f, size * 0.7f, size * 0.7f, face});
      break;
    case 1:
      b.Trapezoid({0, -0.78f, size * 1.15f, 0, size, rim});
      b.Trapezoid({0, -0.75f, size * 0.7f, 0, size * 0.62f, face});
      break;
    default:
      b.Box({0, -0.78f, size * b.Uniform(0.9f, 1.6f), size * 0.85f, rim, 0.03f});
      b.Box({0, -0.78f, size * 0.75f, size * 0.6f, face});
  }
}

void Ball(Builder& b) {
  b.Ellipse({0, -0.5f, 0.5f, 0.5f, b.Pattern(Material::kPaint)});
  if (b.Chance(0.5f)) b.Ellipse({0, -0.5f, 0.22f, 0.5f, b.Color(Material::kPaint)});
}

void Bird(Builder& b) {
  const Texture feathers = b.Color(b.Chance(0.6f) ? Material::kGlass : Material::kCloud);
  const float beat = b.Uniform(-0.35f, 0.35f), span = b.Uniform(0.5f, 0.8f);
  b.Limb({0, -0.5f, -span, -0.5f - beat, 0.09f, feathers});
  b.Limb({0, -0.5f, span, -0.5f - beat, 0.09f, feathers});
  b.Ellipse({0, -0.48f, 0.2f, 0.24f, feathers});
  b.Trapezoid({0, -0.85f, 0.07f, 0, 0.13f, b.Color(Material::kPaint)});
}

void Cloud(Builder& b) {
  const Texture vapour = b.Pattern(Material::kCloud);
  const int puffs = 2 + b.Below(5);
  for (int i = 0; i < puffs; ++i) {
    const float radius = b.Uniform(0.25f, 0.5f);
    b.Rough(b.Ellipse({b.Uniform(-1.0f, 1.0f), b.Uniform(-0.65f, -0.35f), radius * 1.6f, radius, vapour}), 0.15f, 3);
  }
}

void Flower(Builder& b) {
  const Texture stem = b.Color(Material::kLeaves), petal = b.Color(Material::kPaint);
  b.Box({0, -0.35f, 0.03f, 0.36f, stem});
  b.Limb({0, -0.2f, b.Uniform(-0.25f, 0.25f), -0.4f, 0.05f, stem});
  const int petals = 4 + b.Below(4);
  for (int i = 0; i < petals; ++i) {
    const float turns = static_cast<float>(i) / static_cast<float>(petals);
    b.Ellipse({0.15f * CosineOfTurns(turns), -0.78f + 0.15f * SineOfTurns(turns), 0.12f, 0.12f, petal});
  }
  b.Ellipse({0, -0.78f, 0.09f, 0.09f, b.Color(Material::kPaint)});
}

void Tower(Builder& b) {
  const Texture wall = b.Pattern(Material::kStone);
  const float half_width = b.Uniform(0.12f, 0.2f);
  b.Trapezoid({0, -0.4f, half_width * 1.2f, half_width, 0.4f, wall});
  if (b.Chance(0.5f)) {
    b.Trapezoid({0, -0.9f, half_width * 1.3f, 0, 0.12f, b.Pattern(Material::kPaint)});
  } else {
    for (const float x : {-0.8f, 0.0f, 0.8f}) b.Box({x * half_width * 1.2f, -0.87f, half_width * 0.25f, 0.06f, wall});
    b.Box({0, -0.8f, half_width * 1.25f, 0.04f, wall});
  }
  Windows(b, {half_width * 0.7f, -0.75f, -0.2f, 1 + b.Below(2), 2 + b.Below(3), b.Color(Material::kGlass)});
}

void Balloon(Builder& b) {
  const Texture basket = b.Pattern(Material::kWood);
  b.Limb({-0.08f, -0.15f, -0.22f, -0.45f, 0.012f, basket});
  b.Limb({0.08f, -0.15f, 0.22f, -0.45f, 0.012f, basket});
  b.Box({0, -0.08f, 0.1f, 0.08f, basket, 0.02f});
  b.Ellipse({0, -0.65f, 0.32f, 0.36f, b.Pattern(Material::kPaint)});
}

void Crate(Builder& b) {
  const Texture wood = b.Pattern(Material::kWood), frame = b.Color(b.Chance(0.6f) ? Material::kWood : Material::kPaint);
  const float half_width = b.Uniform(0.4f, 0.75f);
  b.Box({0, -0.5f, half_width, 0.5f, frame});
  b.Box({0, -0.5f, half_width - 0.1f, 0.4f, wood});
  if (b.Chance(0.6f)) b.Limb({-half_width + 0.1f, -0.9f, half_width - 0.1f, -0.1f, 0.05f, frame});
}

void Mushroom(Builder& b) {
  b.Trapezoid({0, -0.3f, 0.15f, 0.11f, 0.3f, b.Color(Material::kCloud)});
  b.Ellipse({0, -0.65f, b.Uniform(0.35f, 0.5f), b.Uniform(0.2f, 0.33f),
             b.Color(b.Chance(0.7f) ? Material::kPaint : Material::kWood)});
  const Texture spot = b.Color(Material::kCloud);
  for (int i = b.Below(5); i > 0; --i)
    b.Ellipse({b.Uniform(-0.28f, 0.28f), b.Uniform(-0.75f, -0.58f), 0.06f, 0.045f, spot});
}

void Windmill(Builder& b) {
  b.Trapezoid({0, -0.33f, 0.2f, 0.11f, 0.33f, b.Pattern(Material::kPaint)});
  b.Ellipse({0, -0.68f, 0.12f, 0.08f, b.Color(Material::kPaint)});
  const Texture blade = b.Color(b.Chance(0.5f) ? Material::kWood : Material::kCloud);
  const float phase = b.Uniform(0.0f, 0.25f), reach = b.Uniform(0.3f, 0.42f);
  for (int i = 0; i < 4; ++i) {
    const float turns = phase + 0.25f * static_cast<float>(i);
    b.Limb({0, -0.68f, reach * CosineOfTurns(turns), -0.68f + reach * SineOfTurns(turns), 0.04f, blade});
  }
}

struct Thing {
  int label;
  float height;
  bool flies;
  void (*build)(Builder&);
};

constexpr Thing kThings[] = {
    {kTree, 0.52f, false, Tree},         {kHouse, 0.36f, false, House},  {kCar, 0.19f, false, Car},
    {kPerson, 0.28f, false, Person},     {kAnimal, 0.2f, false, Animal}, {kFence, 0.16f, false, Fence},
    {kBoat, 0.3f, false, Boat},          {kRock, 0.16f, false, Rock},    {kBush, 0.17f, false, Bush},
    {kSign, 0.36f, false, Sign},         {kBall, 0.13f, false, Ball},    {kBird, 0.1f, true, Bird},
    {kCloud, 0.18f, true, Cloud},        {kFlower, 0.2f, false, Flower}, {kTower, 0.6f, false, Tower},
    {kBalloon, 0.3f, true, Balloon},     {kCrate, 0.17f, false, Crate},  {kMushroom, 0.18f, false, Mushroom},
    {kWindmill, 0.55f, false, Windmill},
};

const Thing* Find(int label) {
  for (const Thing& thing : kThings) {
    if (thing.label == label) return &thing;
  }
  return nullptr;
}

}  // namespace

bool IsThing(int label) { return Find(label) != nullptr; }
bool Flies(int label) { return Find(label) != nullptr && Find(label)->flies; }
float TypicalHeight(int label) { return Find(label)->height; }

std::vector<Part> BuildThing(int label, RandomSequence& random) {
  Builder builder(random);
  Find(label)->build(builder);
  return builder.Take();
}

void Place(const Placement& placement, std::vector<Part>& parts) {
  const float cosine = CosineOfTurns(placement.turns), sine = SineOfTurns(placement.turns);
  for (Part& part : parts) {
    Shape& shape = part.shape;
    if (placement.mirrored) {
      shape.x = -shape.x;
      shape.sine = -shape.sine;
    }
    const float x = shape.x * placement.scale, y = shape.y * placement.scale;
    shape.x = placement.x + cosine * x - sine * y;
    shape.y = placement.y + sine * x + cosine * y;
    const float part_cosine = shape.cosine, part_sine = shape.sine;
    shape.cosine = part_cosine * cosine - part_sine * sine;
    shape.sine = part_sine * cosine + part_cosine * sine;
    shape.half_width *= placement.scale;
    shape.half_height *= placement.scale;
    shape.parameter *= placement.scale;
    shape.roughness *= placement.scale;
    shape.roughness_frequency /= placement.scale;
  }
}

}  // namespace data::scenes
