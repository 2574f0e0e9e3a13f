#include <algorithm>

#include "autograd/ops/standard_normal_functions.h"
#include "autograd/ops/standard_normal_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {

void StandardNormal(Stream&, const RandomKey& key, int64_t first, Array& y) {
  const RandomKey now = key.Now();
  VisitFloating("StandardNormal", y.dtype(), [&]<typename T>(T) {
    T* const out = y.data<T>();
    // The first draw may have been begun by elements of another rank.
    const int64_t size = y.size(), first_draw = first / 4, begun = first % 4, draws = (begun + size + 3) / 4;
    ParallelFor(draws, 1 << 10, [=](int64_t begin, int64_t end) {
      for (int64_t draw = begin; draw < end; ++draw) {
        float numbers[4];
        normal::Four(now, static_cast<uint64_t>(first_draw + draw), numbers);
        const int64_t place = 4 * draw - begun, last = std::min<int64_t>(4, size - place);
        for (int64_t k = std::max<int64_t>(0, -place); k < last; ++k)
          out[place + k] = static_cast<T>(static_cast<ComputeType<T>>(numbers[k]));
      }
    });
  });
}

}  // namespace autograd::cpu
