#include "autograd/ops/rotary_embedding_kernels.h"
#include "autograd/ops/rows_cuda.h"

namespace autograd::cuda {
namespace {

// A row is one head of one token; a thread turns a pair.
template <typename T>
__global__ void RotatePairsKernel(const T* x, const float* cosine, const float* sine, int64_t rows, int64_t tokens,
                                  int64_t heads, uint32_t pairs, ComputeType<T> sign, T* y) {
  using Value = ComputeType<T>;
  ForEachInRows(rows, pairs, [&](int64_t row, uint32_t pair) {
    const int64_t token = Divide(row, heads), entry = (token - Divide(token, tokens) * tokens) * pairs + pair;
    const int64_t at = 2 * (row * pairs + pair);
    const Value a = Load(x + at), b = Load(x + at + 1);
    const Value cos = static_cast<Value>(cosine[entry]), sin = sign * static_cast<Value>(sine[entry]);
    y[at] = static_cast<T>(a * cos - b * sin);
    y[at + 1] = static_cast<T>(a * sin + b * cos);
  });
}

}  // namespace

void RotatePairs(Stream& stream, const Array& x, const Array& cosine, const Array& sine, int direction, Array& y) {
  if (x.size() == 0) return;
  const int64_t tokens = x.shape()[1], heads = x.shape()[2], pairs = x.shape()[3] / 2,
                rows = x.shape()[0] * tokens * heads;
  VisitFloating("RotaryEmbedding", x.dtype(), [&]<typename T>(T) {
    const RowLaunch launch = LaunchOfRows("RotaryEmbedding", rows, pairs);
    Launch("RotaryEmbedding", stream, launch.grid, launch.block, RotatePairsKernel<T>, x.data<T>(),
           cosine.data<float>(), sine.data<float>(), rows, tokens, heads, pairs, static_cast<ComputeType<T>>(direction),
           y.data<T>());
  });
}

}  // namespace autograd::cuda
