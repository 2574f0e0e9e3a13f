#include "seg/models/context_rule.h"

#include <cmath>
#include <limits>

#include "autograd/core/variable.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/softmax.h"
#include "autograd/runtime/error.h"

namespace seg {

using autograd::Array;
using autograd::Shape;
using autograd::Variable;

Array RulePolicy(const ContextChoice& choice, const Array& logits) {
  autograd::Require(logits.rank() == 4, "RulePolicy", "takes logits [n, h, w, k], not ", logits.shape());
  const Shape plane({logits.shape()[0], logits.shape()[1], logits.shape()[2], 1});
  const auto both = [&](const Array& leave, const Array& adopt) {
    return autograd::Concatenate({Variable(leave), Variable(adopt)}, 3).array();
  };
  const auto constant = [&](double adopt) {
    return both(Array::Zeros(plane, autograd::kFloat32), Array::Full(plane, autograd::kFloat32, adopt));
  };
  switch (choice.rule) {
    case ContextRule::kEmpty:
      return constant(-1);
    case ContextRule::kFull:
      return constant(1);
    case ContextRule::kRandom: {
      // Finite odds for every share: of 2³² draws at these none is uncertain.
      constexpr double kCertain = 60;
      const double odds = std::log(choice.share) - std::log1p(-choice.share);
      return constant(std::fmin(std::fmax(odds, -kCertain), kCertain));
    }
    case ContextRule::kConfident: {
      const Array p_map = autograd::ArgMax(logits, autograd::kUInt8);
      const Array confidence = autograd::GatherLast(autograd::Softmax(Variable(logits)), p_map).array();
      return both(Array::Full(plane, autograd::kFloat32, choice.confidence), confidence.Reshape(plane));
    }
    case ContextRule::kAgent:
      break;
  }
  autograd::Require(false, "RulePolicy", "has no agent to ask");
  return {};
}

}  // namespace seg
