// A keyed random order of 0 .. size-1 that is computed, not stored: any position of an epoch can be asked for
// directly, whatever the size, so a data loader resumes in constant time.
//
// A Feistel network with Philox as its round function permutes the next larger domain of 2^(2b) numbers;
// numbers beyond the size are sent through again until they fall inside ("cycle walking": Black and Rogaway,
// "Ciphers with arbitrary finite domains", CT-RSA 2002), fewer than four times on average.
#pragma once

#include <cstdint>

#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"

namespace data {

class Permutation {
 public:
  // size >= 1.
  Permutation(const autograd::RandomKey& key, int64_t size) : key_(key), size_(static_cast<uint64_t>(size)) {
    autograd::Require(size >= 1, "Permutation", "the size is ", size);
    while (half_bits_ < 32 && (uint64_t{1} << (2 * half_bits_)) < size_) ++half_bits_;
  }

  int64_t operator()(int64_t position) const {
    autograd::Require(position >= 0 && static_cast<uint64_t>(position) < size_, "Permutation", "position ", position,
                      " of ", size_);
    const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
    uint64_t value = static_cast<uint64_t>(position);
    do {
      uint64_t left = value >> half_bits_, right = value & mask;
      for (uint64_t round = 0; round < kRounds; ++round) {
        const uint64_t mixed = left ^ (autograd::Philox(key_, right << 8 | round).x & mask);
        left = right;
        right = mixed;
      }
      value = left << half_bits_ | right;
    } while (value >= size_);
    return static_cast<int64_t>(value);
  }

 private:
  // Four rounds of independent functions suffice in theory (Luby and Rackoff); small domains mix better with
  // more.
  static constexpr uint64_t kRounds = 8;

  const autograd::RandomKey key_;
  const uint64_t size_;
  int half_bits_ = 1;
};

}  // namespace data
