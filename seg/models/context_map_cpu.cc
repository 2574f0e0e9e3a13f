#include <algorithm>

#include "autograd/runtime/parallel.h"
#include "seg/models/context_draws.h"
#include "seg/models/context_map_kernels.h"

namespace seg::cpu {

using autograd::Array;
using autograd::ParallelFor;
using autograd::RandomKey;
using autograd::Stream;

void ContextMap(Stream&, const Array& labels, const Array& actions, Array& map) {
  const uint8_t *const label = labels.data<uint8_t>(), *const action = actions.data<uint8_t>();
  uint8_t* const out = map.data<uint8_t>();
  ParallelFor(map.size(), 1 << 14, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = static_cast<uint8_t>(action[i] != 0 ? label[i] + 1 : 0);
  });
}

void GreedyContextActions(Stream&, const Array& policy_logits, Array& actions) {
  const float* const logits = policy_logits.data<float>();
  uint8_t* const out = actions.data<uint8_t>();
  ParallelFor(actions.size(), 1 << 13, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = logits[2 * i + 1] >= logits[2 * i] ? 1 : 0;
  });
}

void DrawnContextActions(Stream&, const Array& policy_logits, const RandomKey& key, int64_t first, Array& actions) {
  const float* const logits = policy_logits.data<float>();
  uint8_t* const out = actions.data<uint8_t>();
  const RandomKey now = key.Now();
  // The first draw may have been begun by positions of another rank.
  const int64_t size = actions.size(), first_draw = first / 4, begun = first % 4, draws = (begun + size + 3) / 4;
  ParallelFor(draws, 1 << 9, [=](int64_t begin, int64_t end) {
    for (int64_t draw = begin; draw < end; ++draw) {
      const autograd::PhiloxWords words = autograd::Philox(now, static_cast<uint64_t>(first_draw + draw));
      const uint32_t four[] = {words.x, words.y, words.z, words.w};
      const int64_t place = 4 * draw - begun, last = std::min<int64_t>(4, size - place);
      for (int64_t k = std::max<int64_t>(0, -place); k < last; ++k)
        out[place + k] = DrawnAction(logits + 2 * (place + k), four[k]);
    }
  });
}

}  // namespace seg::cpu
