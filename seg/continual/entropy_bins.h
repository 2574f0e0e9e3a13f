#pragma once

// The two readings of PLOP's pseudo-labels, and the bins in which entropies are counted, for the kernels of both
// backends.

#include <cstdint>
#include <cstring>

#include "autograd/runtime/host_device.h"

namespace seg {

enum class EntropyReading : uint8_t {
  kPaper,         // Shannon's entropy in nats, and its median
  kReleasedCode,  // a mean in place of the sum, and a median that is not one
};

struct EntropyBins {
  // kReleasedCode: 100 of equal width on [0, 1].
  static constexpr int kReleased = 100;
  // kPaper: the floating-point numbers by sign, exponent and the first kMantissa bits of what follows, from 2^−24 to 8,
  // more than the logarithm of 255: a bin is at most 1/256 as wide as what is in it. One more below takes [0, 2^−24).
  static constexpr int kMantissa = 8, kOctaves = 27;
  static constexpr int kPaper = 1 + (kOctaves << kMantissa);
  static constexpr uint32_t kLowest = (127 - 24) << kMantissa;

  HOST_DEVICE static int Count(EntropyReading reading) {
    return reading == EntropyReading::kPaper ? kPaper : kReleased;
  }

  // Of an entropy. What is outside goes to the first or the last bin, NaN to the first.
  HOST_DEVICE static int Of(EntropyReading reading, float entropy) {
    if (reading == EntropyReading::kReleasedCode) {
      const float place = entropy * static_cast<float>(kReleased);
      return place > 0 ? (place < static_cast<float>(kReleased) ? static_cast<int>(place) : kReleased - 1) : 0;
    }
    if (!(entropy >= 0x1p-24f)) return 0;
    uint32_t bits;
    memcpy(&bits, &entropy, sizeof bits);
    const uint32_t bin = 1 + (bits >> (23 - kMantissa)) - kLowest;
    return static_cast<int>(bin < kPaper ? bin : kPaper - 1);
  }

  // The lower edge of a bin of kPaper; bin kPaper ends the last.
  static double PaperEdge(int bin) {
    if (bin == 0) return 0;
    const uint32_t bits = (kLowest + static_cast<uint32_t>(bin - 1)) << (23 - kMantissa);
    float edge;
    memcpy(&edge, &bits, sizeof edge);
    return edge;
  }
};

}  // namespace seg
