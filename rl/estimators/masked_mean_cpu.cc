#include <algorithm>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "rl/estimators/masked_mean_kernels.h"

namespace rl::cpu {

using autograd::Array;
using autograd::ComputeType;
using autograd::kFloat64;
using autograd::ParallelFor;
using autograd::Stream;
using autograd::VisitFloating;

namespace {

constexpr int64_t kChunk = 1 << 13;  // entries that are summed in one piece

// Calls body(i, counts) for entries [begin, end), of which entry i is at position i mod `positions`.
template <typename Body>
void ForEachEntry(const uint8_t* valid, int64_t positions, int64_t begin, int64_t end, const Body& body) {
  if (valid == nullptr) {
    for (int64_t i = begin; i < end; ++i) body(i, true);
    return;
  }
  for (int64_t i = begin; i < end;) {
    const int64_t first = i - i % positions, last = std::min(end, first + positions);
    for (; i < last; ++i) body(i, valid[i - first] != 0);
  }
}

struct Mask {
  explicit Mask(const Array& valid) : values(valid.defined() ? valid.data<uint8_t>() : nullptr), positions(0) {
    if (valid.defined()) positions = valid.size();
  }
  // n·count, the number that a sum of `size` entries is divided by.
  double Divisor(int64_t size, const Array& count) const {
    const double samples = positions > 0 ? static_cast<double>(size / positions) : 1;
    return samples * count.data<double>()[0];
  }

  const uint8_t* values;
  int64_t positions;
};

}  // namespace

void CountValid(Stream&, const Array& valid, Array& count) {
  const uint8_t* const values = valid.data<uint8_t>();
  count.data<double>()[0] = static_cast<double>(valid.size() - std::count(values, values + valid.size(), uint8_t{0}));
}

void MaskedMean(Stream&, const Array& x, const Array& valid, const Array& count, Array& y) {
  const Mask mask(valid);
  const double divisor = mask.Divisor(x.size(), count);
  double total = 0;
  VisitFloating("MaskedMean", x.dtype(), [&]<typename T>(T) {
    const T* const in = x.data<T>();
    std::vector<double> sums((x.size() + kChunk - 1) / kChunk);
    ParallelFor(static_cast<int64_t>(sums.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        double sum = 0;
        ForEachEntry(mask.values, mask.positions, chunk * kChunk, std::min((chunk + 1) * kChunk, x.size()),
                     [&](int64_t i, bool counts) { sum += counts ? static_cast<double>(in[i]) : 0.0; });
        sums[chunk] = sum;
      }
    });
    for (double sum : sums) total += sum;
  });
  const double mean = divisor > 0 ? total / divisor : 0;
  if (y.dtype() == kFloat64) {
    y.data<double>()[0] = mean;
  } else {
    y.data<float>()[0] = static_cast<float>(mean);
  }
}

void MaskedMeanGradient(Stream&, const Array& dy, const Array& valid, const Array& count, Array& dx) {
  const Mask mask(valid);
  const double divisor = mask.Divisor(dx.size(), count);
  const double upstream = dy.dtype() == kFloat64 ? dy.data<double>()[0] : static_cast<double>(dy.data<float>()[0]);
  const double gradient = divisor > 0 ? upstream / divisor : 0;
  VisitFloating("MaskedMean", dx.dtype(), [&]<typename T>(T) {
    const T each = static_cast<T>(static_cast<ComputeType<T>>(gradient)), none = static_cast<T>(ComputeType<T>(0));
    T* const out = dx.data<T>();
    ParallelFor(dx.size(), kChunk, [&](int64_t begin, int64_t end) {
      ForEachEntry(mask.values, mask.positions, begin, end,
                   [&](int64_t i, bool counts) { out[i] = counts ? each : none; });
    });
  });
}

}  // namespace rl::cpu
