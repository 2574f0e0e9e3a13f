#include "seg/metrics/require_labels.h"

#include <algorithm>

#include "autograd/runtime/error.h"
#include "seg/metrics/class_counts.h"

namespace seg {

void RequireLabels(const char* operation, const autograd::Array& labels, int64_t classes) {
  const auto count = static_cast<uint8_t>(std::min<int64_t>(classes, kVoid));
  const uint8_t *const begin = labels.data<uint8_t>(), *const end = begin + labels.size();
  const auto is_outside = [=](uint8_t label) { return (label >= count) & (label != kVoid); };
  // Without a way out, which would keep the compiler from making vectors of it.
  uint8_t outside = 0;
  for (const uint8_t* label = begin; label != end; ++label) outside |= static_cast<uint8_t>(is_outside(*label));
  if (outside == 0) return;
  const uint8_t* const offender = std::find_if(begin, end, is_outside);
  autograd::Fail(operation, "label ", static_cast<int>(*offender), " of pixel ", offender - begin, " in ",
                 labels.shape(), " is neither void nor one of the ", classes, " classes");
}

}  // namespace seg
