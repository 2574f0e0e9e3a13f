#include "autograd/ops/rotary_embedding.h"

#include "autograd/core/dims.h"
#include "autograd/ops/rotary_embedding_kernels.h"

namespace autograd {

Variable RotaryEmbedding(const Variable& x, const Array& cosine, const Array& sine) {
  Dims dims("RotaryEmbedding");
  dims.Match(x, "x: n l heads d").Match(cosine, "cosine: l pairs").Match(sine, "sine: l pairs").Floating(x.array());
  dims.Is(cosine, kFloat32, "cosine").Is(sine, kFloat32, "sine");
  Require(dims["d"] == 2 * dims["pairs"], dims.operation(), "x ", x.shape(), " has heads of ", dims["d"],
          " channels but the tables ", cosine.shape(), " are for ", 2 * dims["pairs"]);

  Array y = EmptyLike(x.array());
  kernels::RotatePairs(Stream::Current(), x.array(), cosine, sine, 1, y);

  return Record("RotaryEmbedding", y, {x}, Saved{cosine, sine}, [](const Saved& saved, const Array& dy, Wanted) {
    Array dx = EmptyLike(dy);
    kernels::RotatePairs(Stream::Current(), dy, saved[0], saved[1], -1, dx);
    return Gradients{dx};
  });
}

}  // namespace autograd
