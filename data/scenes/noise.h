// Value noise on an integer lattice, and a sine: the irregular parts of a scene. Exact IEEE operations only,
// so the values are the same on every machine (the target is compiled without fused multiply-add).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace data::scenes {

inline constexpr int kLattice = 64;  // the noise repeats after this many cells

// Uniform values in [0, 1) at the lattice points, the same in every program.
const std::array<float, kLattice * kLattice>& NoiseLattice();

// Smooth noise in [0, 1), one feature a unit of x and y.
inline float Noise(const float* lattice, float x, float y) {
  const float floor_x = std::floor(x), floor_y = std::floor(y);
  const int column = static_cast<int>(floor_x) & (kLattice - 1), row = static_cast<int>(floor_y) & (kLattice - 1);
  const int right = (column + 1) & (kLattice - 1), below = ((row + 1) & (kLattice - 1)) * kLattice;
  const float dx = x - floor_x, dy = y - floor_y;
  const float wx = dx * dx * (3.0f - 2.0f * dx), wy = dy * dy * (3.0f - 2.0f * dy);
  const float* top = lattice + row * kLattice;
  const float upper = top[column] + wx * (top[right] - top[column]);
  const float lower = lattice[below + column] + wx * (lattice[below + right] - lattice[below + column]);
  return upper + wy * (lower - upper);
}

// Sine and cosine of an angle in turns, |error| < 2e-4, |turns| < 2^20.
inline float SineOfTurns(float turns) {
  const float t = turns - std::floor(turns);     // one period
  const float half = t < 0.5f ? t : t - 0.5f;    // the second half is the first, negated
  const float a = half * (0.5f - half) * 16.0f;  // parabola through 0, 1, 0
  const float sine = a * (0.775f + 0.225f * a);  // and its usual correction
  return t < 0.5f ? sine : -sine;
}
inline float CosineOfTurns(float turns) { return SineOfTurns(turns + 0.25f); }

}  // namespace data::scenes
