#include "data/scenes/render.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "data/scenes/noise.h"

namespace data::scenes {
namespace {

// A span of pixels in one row, and the working values of what is drawn on it.
struct Span {
  explicit Span(int width) : distance(width), red(width), green(width), blue(width) {}

  int begin = 0, count = 0;
  float y = 0;        // of the pixel centres, in image heights
  float first_x = 0;  // of the first pixel's centre
  float step = 0;
  std::vector<float> distance, red, green, blue;
};

void EvaluateDistance(const Shape& shape, const float* lattice, Span& span) {
  float* distance = span.distance.data();
  const float dy = span.y - shape.y, start = span.first_x - shape.x;
  // Position in the shape's own frame: the row runs along (cosine, -sine).
  const float row_x = shape.sine * dy, row_y = shape.cosine * dy;
  switch (shape.kind) {
    case Shape::Kind::kEllipse: {
      const float a = 1.0f / shape.half_width, b = 1.0f / shape.half_height;
      for (int i = 0; i < span.count; ++i) {
        const float along = start + static_cast<float>(i) * span.step;
        const float u = (shape.cosine * along + row_x) * a, v = (row_y - shape.sine * along) * b;
        const float radius = std::sqrt(u * u + v * v);
        // First-order distance: level-set value over the length of its gradient.
        const float slope = std::sqrt(u * u * a * a + v * v * b * b) + 1e-6f;
        distance[i] = radius * (radius - 1.0f) / slope;
      }
      break;
    }
    case Shape::Kind::kBox: {
      const float corner = shape.parameter;
      const float inner_x = shape.half_width - corner, inner_y = shape.half_height - corner;
      for (int i = 0; i < span.count; ++i) {
        const float along = start + static_cast<float>(i) * span.step;
        const float qx = std::fabs(shape.cosine * along + row_x) - inner_x;
        const float qy = std::fabs(row_y - shape.sine * along) - inner_y;
        const float ox = std::max(qx, 0.0f), oy = std::max(qy, 0.0f);
        distance[i] = std::sqrt(ox * ox + oy * oy) + std::min(std::max(qx, qy), 0.0f) - corner;
      }
      break;
    }
    case Shape::Kind::kTrapezoid: {
      const float top = shape.parameter, slant = shape.half_width - top, tall = 2.0f * shape.half_height;
      const float inverse = 1.0f / std::sqrt(slant * slant + tall * tall);
      for (int i = 0; i < span.count; ++i) {
        const float along = start + static_cast<float>(i) * span.step;
        const float u = std::fabs(shape.cosine * along + row_x), v = row_y - shape.sine * along;
        const float side = (tall * (u - top) - slant * (v + shape.half_height)) * inverse;
        distance[i] = std::max(side, std::fabs(v) - shape.half_height);
      }
      break;
    }
    case Shape::Kind::kHalfPlane:
      for (int i = 0; i < span.count; ++i) {
        distance[i] = shape.sine * (start + static_cast<float>(i) * span.step) - row_y;
      }
      break;
  }
  if (shape.roughness == 0) return;
  const float frequency = shape.roughness_frequency;
  for (int i = 0; i < span.count; ++i) {
    // Far from the border the noise cannot change the sign.
    if (std::fabs(distance[i]) > shape.roughness * 1.5f) continue;
    const float x = (start + static_cast<float>(i) * span.step) * frequency + shape.noise_x;
    const float y = dy * frequency + shape.noise_y;
    distance[i] += shape.roughness * (1.4f * Noise(lattice, x, y) + 0.6f * Noise(lattice, x * 2.7f, y * 2.7f) - 1.0f);
  }
}

// 0 .. 1 .. 0 with period one, flattened into bands.
float Wave(float t) {
  const float u = t - std::floor(t);
  return std::clamp((std::fabs(u - 0.5f) - 0.15f) * 5.0f, 0.0f, 1.0f);
}

float Pattern(const Texture& texture, const float* lattice, float x, float y) {
  switch (texture.kind) {
    case Texture::Kind::kPlain:
      return 0;
    case Texture::Kind::kNoise:
      return 0.65f * Noise(lattice, x, y) + 0.35f * Noise(lattice, x * 2.3f, y * 2.3f);
    case Texture::Kind::kSpots:
      return std::clamp((Noise(lattice, x * 1.5f, y * 1.5f) - 0.5f) * 6.0f, 0.0f, 1.0f);
    case Texture::Kind::kStripes:
      return Wave(y * 0.6f + 0.5f * Noise(lattice, x * 0.4f, y * 0.4f));
    case Texture::Kind::kChecker:
      return static_cast<float>((static_cast<int>(std::floor(x)) + static_cast<int>(std::floor(y))) & 1);
    case Texture::Kind::kBricks: {
      const float row = std::floor(y);
      const float column = x * 0.5f + 0.5f * (row - 2.0f * std::floor(row * 0.5f));
      const float across = column - std::floor(column), down = y - row;
      return across < 0.08f || down < 0.16f ? 1.0f : 0.25f * Noise(lattice, std::floor(column) * 1.7f, row * 1.3f);
    }
    case Texture::Kind::kGradient:
      return std::clamp(0.5f + y / (texture.frequency * 1.2f), 0.0f, 1.0f);
  }
  return 0;
}

void EvaluateTexture(const Texture& texture, const float* lattice, float center_x, float center_y, int begin, int end,
                     Span& span) {
  float scale = texture.frequency, y = span.y - center_y;
  if (texture.perspective) {
    // A point of the ground at distance 1/depth below the horizon; the offset keeps the far end finite.
    const float depth = 1.0f / (std::max(span.y - texture.horizon, 0.0f) + 0.12f);
    scale = texture.frequency * depth;
    y = 2.0f;  // times scale: grows towards the horizon as the ground recedes
  }
  for (int i = begin; i < end; ++i) {
    const float x = span.first_x + static_cast<float>(i) * span.step - center_x;
    const float u = (texture.cosine * x + texture.sine * y) * scale,
                v = (texture.cosine * y - texture.sine * x) * scale;
    const bool centered = texture.kind == Texture::Kind::kGradient;
    const float t = centered ? Pattern(texture, lattice, u, v)
                             : Pattern(texture, lattice, u + texture.offset_x, v + texture.offset_y);
    float grain = 1.0f;
    if (texture.grain > 0) {
      grain += texture.grain * (2.0f * Noise(lattice, (x + y) * 41.0f + texture.offset_x, (x - y) * 37.0f) - 1.0f);
    }
    span.red[i] = (texture.first.red + t * (texture.second.red - texture.first.red)) * grain;
    span.green[i] = (texture.first.green + t * (texture.second.green - texture.first.green)) * grain;
    span.blue[i] = (texture.first.blue + t * (texture.second.blue - texture.first.blue)) * grain;
  }
}

class Painter {
 public:
  Painter(const Scene& scene, int height, int width)
      : scene_(scene),
        height_(height),
        width_(width),
        step_(1.0f / static_cast<float>(height)),
        lattice_(NoiseLattice().data()),
        span_(width),
        shadow_(width),
        colors_(size_t{3} * height * width),
        label_(height, width) {}

  void Paint() {
    for (const Layer& layer : scene_.layers) {
      if (layer.shadow > 0) PaintShadow(layer);
      for (const Part& part : layer.parts) PaintPart(layer, part);
    }
  }

  const std::vector<float>& colors() const { return colors_; }
  LabelMap TakeLabel() { return std::move(label_); }

 private:
  struct Bounds {
    int top, bottom, left, right;  // bottom and right exclusive
  };

  // Pixels from `low` to `high` in image heights, with one pixel to spare for smooth edges.
  static void Cover(float low, float high, float size, int limit, int& begin, int& end) {
    begin = static_cast<int>(std::clamp(std::floor(low * size) - 1.0f, 0.0f, static_cast<float>(limit)));
    end = static_cast<int>(std::clamp(std::floor(high * size) + 2.0f, 0.0f, static_cast<float>(limit)));
  }

  Bounds BoundsOf(const Shape& shape) const {
    Bounds bounds = {0, height_, 0, width_};
    if (shape.kind == Shape::Kind::kHalfPlane) {
      const float slope = std::fabs(shape.sine) * (std::fabs(shape.x) + scene_.aspect) + 1.3f * shape.roughness;
      Cover(shape.y - 1.1f * slope - 0.01f, 2.0f, static_cast<float>(height_), height_, bounds.top, bounds.bottom);
      return bounds;
    }
    const float half_width = std::max(shape.half_width, shape.kind == Shape::Kind::kTrapezoid ? shape.parameter : 0.0f);
    const float c = std::fabs(shape.cosine), s = std::fabs(shape.sine), size = static_cast<float>(height_);
    const float extent_x = c * half_width + s * shape.half_height + shape.roughness;
    const float extent_y = s * half_width + c * shape.half_height + shape.roughness;
    Cover(shape.x - extent_x, shape.x + extent_x, size, width_, bounds.left, bounds.right);
    Cover(shape.y - extent_y, shape.y + extent_y, size, height_, bounds.top, bounds.bottom);
    return bounds;
  }

  void SetSpan(int row, int left, int right) {
    span_.begin = left;
    span_.count = right - left;
    span_.y = (static_cast<float>(row) + 0.5f) * step_;
    span_.first_x = (static_cast<float>(left) + 0.5f) * step_;
    span_.step = step_;
  }

  // The share of a layer's light that comes through the fog, on the row of the span.
  float Transmission(const Layer& layer) const {
    float distance = layer.distance;
    if (layer.haze_by_depth)
      distance = DistanceOf(std::clamp((span_.y - scene_.horizon) / (1.0f - scene_.horizon), 0.0f, 1.0f));
    // exp(-fog distance), Koschmieder's law, by its eighth partial product, whose operations are exact.
    const float part = 1.0f / (1.0f + 0.125f * scene_.fog * distance);
    const float square = part * part, fourth = square * square;
    return fourth * fourth;
  }

  void PaintPart(const Layer& layer, const Part& part) {
    const Bounds bounds = BoundsOf(part.shape);
    const float inverse_width = layer.relief_x / part.shape.half_width;
    const float inverse_height = layer.relief_y / part.shape.half_height;
    const bool relief = part.shape.kind != Shape::Kind::kHalfPlane;
    for (int row = bounds.top; row < bounds.bottom; ++row) {
      SetSpan(row, bounds.left, bounds.right);
      EvaluateDistance(part.shape, lattice_, span_);
      int begin = 0, end = span_.count;
      while (begin < end && span_.distance[begin] >= 0.5f * step_) ++begin;
      while (end > begin && span_.distance[end - 1] >= 0.5f * step_) --end;
      if (begin == end) continue;
      EvaluateTexture(part.texture, lattice_, part.shape.x, part.shape.y, begin, end, span_);
      float haze = layer.haze;
      if (layer.haze_by_depth) {
        const float nearness = (span_.y - scene_.horizon) / (1.0f - scene_.horizon);
        const float far = 1.0f - std::clamp(nearness, 0.0f, 1.0f);
        haze *= far * far;
      }
      if (scene_.fog > 0) haze = 1.0f - (1.0f - haze) * Transmission(layer);
      const float lift = relief ? inverse_height * (span_.y - part.shape.y) : 0;
      float* color = colors_.data() + 3 * (static_cast<size_t>(row) * width_ + bounds.left);
      uint8_t* label = label_.Row(row) + bounds.left;
      for (int i = begin; i < end; ++i) {
        const float distance = span_.distance[i];
        const float cover = std::clamp(0.5f - distance * static_cast<float>(height_), 0.0f, 1.0f);
        if (cover <= 0) continue;
        if (distance < 0) label[i] = static_cast<uint8_t>(layer.label);
        float light = 1.0f;
        if (relief) {
          const float across = inverse_width * (span_.first_x + static_cast<float>(i) * step_ - part.shape.x);
          light += std::clamp(across + lift, -0.5f, 0.5f);
        }
        light *= 1.0f - haze;
        const float red = span_.red[i] * light + scene_.haze.red * haze;
        const float green = span_.green[i] * light + scene_.haze.green * haze;
        const float blue = span_.blue[i] * light + scene_.haze.blue * haze;
        color[3 * i] += cover * (red - color[3 * i]);
        color[3 * i + 1] += cover * (green - color[3 * i + 1]);
        color[3 * i + 2] += cover * (blue - color[3 * i + 2]);
      }
    }
  }

  // Each pixel of the ground asks whether the thing, laid down from its base, covers it.
  void PaintShadow(const Layer& layer) {
    float reach = 0, spread = 0;
    for (const Part& part : layer.parts) {
      const float size = part.shape.half_width + part.shape.half_height;
      reach = std::max(reach, layer.base_y - part.shape.y + size);
      spread = std::max(spread, std::fabs(part.shape.x - layer.base_x) + size);
    }
    const float length = layer.shadow_length, offset = reach * std::fabs(layer.shadow_slant * length);
    Bounds bounds;
    Cover(layer.base_y + std::min(length * reach, -0.02f), layer.base_y + std::max(length * reach, 0.02f),
          static_cast<float>(height_), height_, bounds.top, bounds.bottom);
    Cover(layer.base_x - spread - offset, layer.base_x + spread + offset, static_cast<float>(height_), width_,
          bounds.left, bounds.right);
    for (int row = bounds.top; row < bounds.bottom; ++row) {
      const float y = (static_cast<float>(row) + 0.5f) * step_;
      const float lifted = (y - layer.base_y) / length;  // height above the base of what throws the shadow here
      if (lifted < -0.02f) continue;
      SetSpan(row, bounds.left, bounds.right);
      span_.y = layer.base_y - lifted;
      span_.first_x -= layer.shadow_slant * lifted * std::fabs(length);
      std::fill(shadow_.begin(), shadow_.end(), 1.0f);
      for (const Part& part : layer.parts) {
        const float reach_y = part.shape.half_width + part.shape.half_height + part.shape.roughness;
        if (std::fabs(span_.y - part.shape.y) > reach_y) continue;
        EvaluateDistance(part.shape, lattice_, span_);
        for (int i = 0; i < span_.count; ++i) shadow_[i] = std::min(shadow_[i], span_.distance[i]);
      }
      float* color = colors_.data() + 3 * (static_cast<size_t>(row) * width_ + bounds.left);
      for (int i = 0; i < span_.count; ++i) {
        const float cover = std::clamp(0.5f - shadow_[i] * static_cast<float>(height_) * 0.5f, 0.0f, 1.0f);
        if (cover <= 0) continue;
        for (int c = 0; c < 3; ++c) color[3 * i + c] *= 1.0f - cover * layer.shadow;
      }
    }
  }

  const Scene& scene_;
  const int height_, width_;
  const float step_;
  const float* const lattice_;
  Span span_;
  std::vector<float> shadow_;
  std::vector<float> colors_;  // [height, width, 3]
  LabelMap label_;
};

// The light of the lamps on what is there, and the lamps as they are seen.
void LightUp(const Scene& scene, int height, int width, std::vector<float>& colors) {
  const float step = 1.0f / static_cast<float>(height);
  std::vector<float> light(size_t{3} * width), glow(size_t{3} * width);
  for (int row = 0; row < height; ++row) {
    const float y = (static_cast<float>(row) + 0.5f) * step;
    for (int x = 0; x < width; ++x) {
      light[3 * x] = scene.ambient.red;
      light[3 * x + 1] = scene.ambient.green;
      light[3 * x + 2] = scene.ambient.blue;
    }
    std::fill(glow.begin(), glow.end(), 0.0f);
    for (const Lamp& lamp : scene.lamps) {
      const float color[3] = {lamp.color.red, lamp.color.green, lamp.color.blue};
      const float of_reach = 1.0f / (lamp.reach * lamp.reach), of_radius = 1.0f / (lamp.radius * lamp.radius);
      for (int x = 0; x < width; ++x) {
        const float dx = (static_cast<float>(x) + 0.5f) * step - lamp.x, dy = y - lamp.y;
        const float square = dx * dx + dy * dy;
        const float fall = 1.0f / (1.0f + square * of_reach);
        // A spot, and a halo four times as wide and a fifth as bright at its middle.
        const float spot = 1.0f / (1.0f + square * of_radius), halo = 1.0f / (1.0f + square * of_radius * 0.0625f);
        const float lit = fall * fall, seen = spot * spot + 0.2f * halo * halo;
        for (int c = 0; c < 3; ++c) {
          light[3 * x + c] += color[c] * lit;
          glow[3 * x + c] += color[c] * seen;
        }
      }
    }
    float* out = colors.data() + size_t{3} * row * width;
    for (int i = 0; i < 3 * width; ++i) out[i] = out[i] * light[i] + glow[i];
  }
}

void Expose(const Camera& camera, int height, int width, std::vector<float>& colors) {
  const float step = 1.0f / static_cast<float>(height);
  const float center_x = 0.5f * static_cast<float>(width) * step;
  const float gain[3] = {camera.gain.red, camera.gain.green, camera.gain.blue};
  for (int y = 0; y < height; ++y) {
    const float v = (static_cast<float>(y) + 0.5f) * step - 0.5f;
    float* row = colors.data() + size_t{3} * y * width;
    for (int x = 0; x < width; ++x) {
      const float u = (static_cast<float>(x) + 0.5f) * step - center_x;
      const float light =
          (1.0f + camera.gradient_x * u + camera.gradient_y * v) * (1.0f - camera.vignette * (u * u + v * v));
      for (int c = 0; c < 3; ++c) {
        const float value = row[3 * x + c] * gain[c] * light;
        row[3 * x + c] = 0.45f + camera.contrast * (value - 0.45f);
      }
    }
  }
}

// One pass of [blur, 1 - 2 blur, blur] along each axis, `stride` apart; borders are repeated.
void Blur(float blur, int height, int width, std::vector<float>& colors) {
  const std::vector<float> before = colors;
  const auto filter = [blur](float a, float b, float c) { return b + blur * ((a - b) + (c - b)); };
  std::vector<float> horizontal(colors.size());
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const size_t row = static_cast<size_t>(y) * width;
      const size_t left = row + std::max(x - 1, 0), right = row + std::min(x + 1, width - 1);
      for (int c = 0; c < 3; ++c) {
        horizontal[3 * (row + x) + c] = filter(before[3 * left + c], before[3 * (row + x) + c], before[3 * right + c]);
      }
    }
  }
  for (int y = 0; y < height; ++y) {
    const float* above = horizontal.data() + size_t{3} * std::max(y - 1, 0) * width;
    const float* here = horizontal.data() + size_t{3} * y * width;
    const float* below = horizontal.data() + size_t{3} * std::min(y + 1, height - 1) * width;
    float* out = colors.data() + size_t{3} * y * width;
    for (int i = 0; i < 3 * width; ++i) out[i] = filter(above[i], here[i], below[i]);
  }
}

// Nearly normal noise: the sum of a word's four bytes.
float NoiseOf(uint32_t word) {
  const uint32_t sum = (word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24);
  return (static_cast<float>(sum) - 510.0f) * (1.0f / 147.8f);
}

Image Develop(const Camera& camera, int height, int width, const std::vector<float>& colors,
              const autograd::RandomKey& noise_key) {
  Image image(height, width);
  const size_t size = colors.size();
  for (size_t i = 0; i < size; i += 4) {
    const autograd::PhiloxWords words = autograd::Philox(noise_key, i / 4);
    const uint32_t word[4] = {words.x, words.y, words.z, words.w};
    for (size_t j = 0; j < std::min<size_t>(4, size - i); ++j) {
      const float value = colors[i + j] + camera.noise * NoiseOf(word[j]);
      image.pixels[i + j] = static_cast<uint8_t>(std::clamp(value, 0.0f, 1.0f) * 255.0f + 0.5f);
    }
  }
  return image;
}

}  // namespace

Rendering RenderScene(const Scene& scene, int height, int width, const autograd::RandomKey& noise_key) {
  Painter painter(scene, height, width);
  painter.Paint();
  std::vector<float> colors = painter.colors();
  if (scene.night) LightUp(scene, height, width, colors);
  Expose(scene.camera, height, width, colors);
  if (scene.camera.blur > 0) {
    // Wider on larger images, so that they look alike.
    for (int pass = 0; pass < std::max(1, height / 64); ++pass) Blur(scene.camera.blur, height, width, colors);
  }
  return {Develop(scene.camera, height, width, colors, noise_key), painter.TakeLabel()};
}

}  // namespace data::scenes
