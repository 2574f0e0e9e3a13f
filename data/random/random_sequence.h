// Draws one after another from a key, for code that makes a varying number of choices (an augmentation, a
// scene). The same key gives the same sequence everywhere; only integer arithmetic and exact float operations
// are used.
#pragma once

#include <array>
#include <cstdint>

#include "autograd/runtime/random.h"

namespace data {

class RandomSequence {
 public:
  explicit RandomSequence(const autograd::RandomKey& key) : key_(key) {}

  uint32_t Word() {
    if (used_ == 4) {
      const autograd::PhiloxWords words = autograd::Philox(key_, counter_++);
      words_ = {words.x, words.y, words.z, words.w};
      used_ = 0;
    }
    return words_[used_++];
  }

  // Uniform from low to high, in 2^24 steps. Not inline: its file is compiled without fused multiply-add, so
  // that the result is the same on every machine.
  float Uniform(float low, float high);

  // Uniform in 0 .. count-1; count > 0.
  int Below(int count) { return static_cast<int>(autograd::UniformBelow(Word(), static_cast<uint32_t>(count))); }

  bool Chance(float probability) { return autograd::UniformFloat(Word()) < probability; }

 private:
  const autograd::RandomKey key_;
  uint64_t counter_ = 0;
  int used_ = 4;
  std::array<uint32_t, 4> words_ = {};
};

}  // namespace data
