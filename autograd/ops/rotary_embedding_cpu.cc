#include <algorithm>

#include "autograd/ops/rotary_embedding_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {

void RotatePairs(Stream&, const Array& x, const Array& cosine, const Array& sine, int direction, Array& y) {
  const int64_t tokens = x.shape()[1], heads = x.shape()[2], width = x.shape()[3], pairs = width / 2;
  const float* const cosines = cosine.data<float>();
  const float* const sines = sine.data<float>();
  VisitFloating("RotaryEmbedding", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* const in = x.data<T>();
    T* const out = y.data<T>();
    const Value sign = static_cast<Value>(direction);
    ParallelFor(x.shape()[0] * tokens, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, heads * width)),
                [=](int64_t begin, int64_t end) {
                  for (int64_t token = begin; token < end; ++token) {
                    const float* const c = cosines + token % tokens * pairs;
                    const float* const s = sines + token % tokens * pairs;
                    for (int64_t head = token * heads; head < (token + 1) * heads; ++head) {
                      const T* const from = in + head * width;
                      T* const to = out + head * width;
                      for (int64_t i = 0; i < pairs; ++i) {
                        const Value a = static_cast<Value>(from[2 * i]), b = static_cast<Value>(from[2 * i + 1]);
                        const Value cos = static_cast<Value>(c[i]), sin = sign * static_cast<Value>(s[i]);
                        to[2 * i] = static_cast<T>(a * cos - b * sin);
                        to[2 * i + 1] = static_cast<T>(a * sin + b * cos);
                      }
                    }
                  }
                });
  });
}

}  // namespace autograd::cpu
