// The description of a scene before it is drawn: shapes with textures, back to front. Coordinates are in
// image heights, x to the right, y downwards from the top, so one description can be drawn at any size.
#pragma once

#include <cstdint>
#include <vector>

namespace data::scenes {

struct Rgb {
  float red = 0, green = 0, blue = 0;  // 0..1
};

struct Texture {
  enum class Kind { kPlain, kNoise, kSpots, kStripes, kChecker, kBricks, kGradient };
  Kind kind = Kind::kPlain;
  Rgb first, second;    // the pattern mixes the one with the other
  float frequency = 8;  // features an image height
  float cosine = 1, sine = 0;
  float offset_x = 0, offset_y = 0;
  float grain = 0;  // amplitude of fine brightness noise
  // Patterns on the ground shrink towards this line; above -1 nothing does.
  bool perspective = false;
  float horizon = 0;
};

// A region of the plane, placed and turned. The distance is negative inside; `roughness` adds noise to it and
// so makes borders irregular.
struct Shape {
  enum class Kind {
    kEllipse,    // half axes half_width, half_height
    kBox,        // corners rounded by `parameter`
    kTrapezoid,  // half_width at the bottom, `parameter` at the top: 0 is a triangle
    kHalfPlane,  // everything below the local x axis
  };
  Kind kind = Kind::kEllipse;
  float x = 0, y = 0;
  float cosine = 1, sine = 0;
  float half_width = 1, half_height = 1;
  float parameter = 0;
  float roughness = 0, roughness_frequency = 4;
  float noise_x = 0, noise_y = 0;
};

struct Part {
  Shape shape;
  Texture texture;
};

// What is drawn at once under one label.
struct Layer {
  int label = 0;
  std::vector<Part> parts;
  float haze = 0;                    // share of the haze colour, far things having more
  bool haze_by_depth = false;        // ground: haze grows towards the horizon
  float distance = 1;                // of what stands, to the viewer; 1 is the lower border of the image
  float relief_x = 0, relief_y = 0;  // light across each part, as on something round
  // A shadow on what lies behind: the parts, laid down from their base.
  float shadow = 0;  // darkness, 0 = none
  float base_x = 0, base_y = 0;
  float shadow_slant = 0, shadow_length = 0.3f;  // negative length: away from the viewer
};

// Light and lens, applied after drawing.
struct Camera {
  Rgb gain = {1, 1, 1};
  float gradient_x = 0, gradient_y = 0;
  float vignette = 0;
  float contrast = 1;
  float blur = 0;   // share of each neighbour in a 3-tap filter, 0..1/3, at 64 pixels
  float noise = 0;  // standard deviation
};

// A light in the dark: it lights what is around it, and is seen as a spot with a halo.
struct Lamp {
  float x = 0, y = 0;
  float radius = 0.01f;  // of the spot
  float reach = 0.2f;    // where its light on things has fallen to a quarter
  Rgb color;
};

// Of a point on the ground: `nearness` is 0 at the horizon and 1 at the lower border of the image, whose distance is 1.
inline float DistanceOf(float nearness) { return 1.15f / (nearness + 0.15f); }

struct Scene {
  float aspect = 1;
  float horizon = 0.4f;
  Rgb haze;
  std::vector<Layer> layers;  // the first one covers everything
  Camera camera;
  // Set by Illuminate (light.h).
  float fog = 0;  // attenuation of a unit of distance; what is lost is replaced by the haze colour
  bool night = false;
  Rgb ambient = {1, 1, 1};  // by night: of the light that is everywhere
  std::vector<Lamp> lamps;  // by night
};

}  // namespace data::scenes
