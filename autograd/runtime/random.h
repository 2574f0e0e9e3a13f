#pragma once

// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// A RandomKey is a value, never a state: `key.Split(i)` gives independent streams, and draw number `counter` of a key
// is the same on every thread, on the CPU and on the GPU. There is no global generator.
//
//   RandomKey key(seed);
//   RandomKey dropout = key.Split("dropout").Split(step);
//   float u = UniformFloat(Philox(dropout, element).x);

#include <cstdint>

#include "autograd/runtime/host_device.h"

namespace autograd {

struct PhiloxWords {
  uint32_t x, y, z, w;
};

struct RandomKey {
  uint64_t seed = 0;
  uint64_t stream = 0;
  const uint64_t* later = nullptr;  // of SplitLater

  RandomKey() = default;
  HOST_DEVICE explicit constexpr RandomKey(uint64_t seed_value, uint64_t stream_value = 0)
      : seed(seed_value), stream(stream_value) {}

  // An independent key for consumer `index` (a layer, a step, an image …).
  HOST_DEVICE RandomKey Split(uint64_t index) const;

  // The same by name; the name is hashed with FNV-1a, so it is stable between programs.
  RandomKey Split(const char* name) const {
    uint64_t hash = 14695981039346656037ull;
    for (; *name != 0; ++name) hash = (hash ^ static_cast<unsigned char>(*name)) * 1099511628211ull;
    return Split(hash);
  }

  // Split(*index) as *index is when a kernel draws, not now: for a recorded step (autograd/core/captured_step.h), whose
  // kernels get the same arguments each time. The number lies where the kernels run. Further splits come before this
  // one.
  RandomKey SplitLater(const uint64_t* index) const {
    RandomKey key = *this;
    key.later = index;
    return key;
  }
  // What a kernel draws with: it calls this once, before Philox and Split.
  HOST_DEVICE RandomKey Now() const { return later == nullptr ? *this : RandomKey(seed, stream).Split(*later); }

  friend constexpr bool operator==(const RandomKey& a, const RandomKey& b) {
    return a.seed == b.seed && a.stream == b.stream && a.later == b.later;
  }
};

// Four random words: draw number `counter` of `key`, which is a Now().
HOST_DEVICE inline PhiloxWords Philox(const RandomKey& key, uint64_t counter) {
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = static_cast<uint32_t>(key.stream), c3 = static_cast<uint32_t>(key.stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0, n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {c0, c1, c2, c3};
}

HOST_DEVICE inline RandomKey RandomKey::Split(uint64_t index) const {
  // The high bit pattern of `stream` keeps splitting apart from drawing with the same key.
  const PhiloxWords words = Philox(RandomKey(seed ^ 0x6A09E667F3BCC909ull, ~stream), index);
  RandomKey key(static_cast<uint64_t>(words.x) << 32 | words.y, static_cast<uint64_t>(words.z) << 32 | words.w);
  key.later = later;
  return key;
}

// Uniform in [0, 1) with 24 bits.
HOST_DEVICE inline float UniformFloat(uint32_t word) { return static_cast<float>(word >> 8) * (1.0f / 16777216.0f); }

// Uniform in [0, 1) with 53 bits.
HOST_DEVICE inline double UniformDouble(uint32_t high, uint32_t low) {
  return static_cast<double>((static_cast<uint64_t>(high) << 32 | low) >> 11) * (1.0 / 9007199254740992.0);
}

// Uniform in [0, bound), bound > 0; the bias of the multiplication is below bound / 2^32.
HOST_DEVICE inline uint32_t UniformBelow(uint32_t word, uint32_t bound) {
  return static_cast<uint32_t>((static_cast<uint64_t>(word) * bound) >> 32);
}

// Two independent standard normal variates from draw `counter` of `key` (Box-Muller).
void StandardNormalPair(const RandomKey& key, uint64_t counter, float* first, float* second);

}  // namespace autograd
