#include "rl/rss/counterfactual.h"

#include <algorithm>
#include <cmath>

#include "autograd/core/dims.h"
#include "rl/rss/counterfactual_kernels.h"

namespace rl {

using autograd::Array;

Array CounterfactualGroup(const Array& draws, const CounterfactualOptions& options, const autograd::RandomKey& key,
                          int64_t first_image) {
  autograd::Dims dims("CounterfactualGroup");
  dims.Match(draws, "draws: n b h w").Is(draws, autograd::kUInt8, "draws");
  autograd::Require(options.rate > 0 && options.rate <= 1, dims.operation(), "rate is ", options.rate);
  if (options.variation == Variation::kIndependent || draws.size() == 0) return draws;

  Array group = autograd::EmptyLike(draws);
  autograd::Stream& stream = autograd::Stream::Current();
  if (options.variation == Variation::kCells) {
    kernels::ResampleCells(stream, draws, options.rate, key, first_image, group);
    return group;
  }
  const auto side = [&](int64_t extent) {
    return std::clamp<int64_t>(std::llround(static_cast<double>(extent) * std::sqrt(options.rate)), 1, extent);
  };
  kernels::ResampleBlock(stream, draws, side(dims["h"]), side(dims["w"]), key, first_image, group);
  return group;
}

}  // namespace rl
