#include "seg/models/context_map.h"

#include "autograd/core/dims.h"
#include "seg/models/context_map_kernels.h"

namespace seg {

using autograd::Array;
using autograd::Stream;

Array ContextMap(const Array& labels, const Array& actions) {
  autograd::Dims dims("ContextMap");
  dims.Match(labels, "labels: n h w").Is(labels, autograd::kUInt8, "labels");
  dims.Match(actions, "actions: n h w").Is(actions, autograd::kUInt8, "actions").SameType(labels, actions);
  Array map = autograd::EmptyLike(labels);
  kernels::ContextMap(Stream::Current(), labels, actions, map);
  return map;
}

Array ContextActions(const Array& policy_logits, const std::optional<autograd::RandomKey>& key, int64_t first_sample) {
  autograd::Dims dims("ContextActions");
  dims.Match(policy_logits, "policy_logits: n h w 2").Is(policy_logits, autograd::kFloat32, "policy_logits");
  autograd::Require(first_sample >= 0, dims.operation(), "first_sample is ", first_sample);
  Array actions = Array::Empty({dims["n"], dims["h"], dims["w"]}, autograd::kUInt8);
  if (key.has_value()) {
    kernels::DrawnContextActions(Stream::Current(), policy_logits, *key, first_sample * dims["h"] * dims["w"], actions);
  } else {
    kernels::GreedyContextActions(Stream::Current(), policy_logits, actions);
  }
  return actions;
}

}  // namespace seg
