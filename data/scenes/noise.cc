#include "data/scenes/noise.h"

#include "autograd/runtime/random.h"

namespace data::scenes {

const std::array<float, kLattice * kLattice>& NoiseLattice() {
  static const auto lattice = [] {
    std::array<float, kLattice * kLattice> values;
    const autograd::RandomKey key = autograd::RandomKey(0).Split("noise lattice");
    for (size_t i = 0; i < values.size(); ++i) values[i] = autograd::UniformFloat(autograd::Philox(key, i).x);
    return values;
  }();
  return lattice;
}

}  // namespace data::scenes
