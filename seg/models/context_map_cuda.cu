#include "autograd/core/launch_cuda.h"
#include "seg/models/context_draws.h"
#include "seg/models/context_map_kernels.h"

namespace seg::cuda {
namespace {

using namespace autograd::cuda;  // NOLINT: what every kernel file shares
using autograd::Array;
using autograd::RandomKey;
using autograd::Stream;

__global__ void MapKernel(const uint8_t* labels, const uint8_t* actions, int64_t pixels, uint8_t* map) {
  for (int64_t i = GridIndex(); i < pixels; i += GridStride())
    map[i] = static_cast<uint8_t>(actions[i] != 0 ? labels[i] + 1 : 0);
}

__global__ void GreedyKernel(const float* logits, int64_t pixels, uint8_t* actions) {
  for (int64_t i = GridIndex(); i < pixels; i += GridStride()) actions[i] = logits[2 * i + 1] >= logits[2 * i] ? 1 : 0;
}

// One thread a draw, which is four positions.
__global__ void DrawnKernel(const float* logits, RandomKey key, int64_t first, int64_t pixels, int64_t draws,
                            uint8_t* actions) {
  const RandomKey now = key.Now();
  const int64_t first_draw = first / 4, begun = first % 4;
  for (int64_t draw = GridIndex(); draw < draws; draw += GridStride()) {
    const autograd::PhiloxWords words = autograd::Philox(now, static_cast<uint64_t>(first_draw + draw));
    const uint32_t four[] = {words.x, words.y, words.z, words.w};
    const int64_t place = 4 * draw - begun;
    for (int k = 0; k < 4; ++k) {
      const int64_t pixel = place + k;
      if (pixel >= 0 && pixel < pixels) actions[pixel] = DrawnAction(logits + 2 * pixel, four[k]);
    }
  }
}

}  // namespace

void ContextMap(Stream& stream, const Array& labels, const Array& actions, Array& map) {
  if (map.size() == 0) return;
  Launch("ContextMap", stream, Blocks(map.size()), kBlock, MapKernel, labels.data<uint8_t>(), actions.data<uint8_t>(),
         map.size(), map.data<uint8_t>());
}

void GreedyContextActions(Stream& stream, const Array& policy_logits, Array& actions) {
  if (actions.size() == 0) return;
  Launch("ContextActions", stream, Blocks(actions.size()), kBlock, GreedyKernel, policy_logits.data<float>(),
         actions.size(), actions.data<uint8_t>());
}

void DrawnContextActions(Stream& stream, const Array& policy_logits, const RandomKey& key, int64_t first,
                         Array& actions) {
  if (actions.size() == 0) return;
  const int64_t draws = (first % 4 + actions.size() + 3) / 4;
  Launch("ContextActions", stream, Blocks(draws), kBlock, DrawnKernel, policy_logits.data<float>(), key, first,
         actions.size(), draws, actions.data<uint8_t>());
}

}  // namespace seg::cuda
