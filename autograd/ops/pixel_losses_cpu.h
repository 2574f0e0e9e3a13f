#pragma once

// What the cross entropies share on the CPU: labels of either dtype, and losses summed over pixels in parts.

#include <cstdint>
#include <vector>

#include "autograd/core/array.h"

namespace autograd::cpu {

template <typename Visitor>
void VisitLabels(const Array& labels, const Visitor& visitor) {
  if (labels.dtype() == kUInt8) {
    visitor(labels.data<uint8_t>());
  } else {
    visitor(labels.data<int32_t>());
  }
}

// Over the pixels of a part.
struct PixelLosses {
  double loss = 0;
  int64_t valid = 0;
  double weight = 0;      // of the valid pixels' classes
  int64_t offender = -1;  // the first pixel whose label is out of range

  void Add(const PixelLosses& part) {
    loss += part.loss;
    valid += part.valid;
    weight += part.weight;
    if (offender < 0) offender = part.offender;
  }
};

// What a group of pixels is divided by.
struct PixelCount {
  bool class_weighted;  // by the sum of the valid pixels' weights in place of their number
  bool count_void;      // by the number of all
  int64_t pixels;       // of a group

  // 0 where nothing counts.
  double Reciprocal(const PixelLosses& group) const {
    const double valid = class_weighted ? group.weight : static_cast<double>(group.valid);
    return valid == 0 ? 0.0 : 1.0 / (count_void ? static_cast<double>(pixels) : valid);
  }
};

// Group g is the parts [g·n, (g + 1)·n) of n = partial.size() / loss.size(), added in order. `operation` is for the
// Error about a label out of range.
template <typename Value, typename Label>
void StoreMeans(const char* operation, const std::vector<PixelLosses>& partial, const PixelCount& count,
                const Array& logits, const Array& labels, const Label* label, int void_label, Array& loss,
                Array& scale) {
  const int64_t groups = loss.size(), parts = static_cast<int64_t>(partial.size()) / groups;
  for (int64_t group = 0; group < groups; ++group) {
    PixelLosses total;
    for (int64_t part = group * parts; part < (group + 1) * parts; ++part) total.Add(partial[part]);
    if (total.offender >= 0) {
      Fail(operation, "label ", static_cast<int64_t>(label[total.offender]), " of pixel ", total.offender, " in ",
           labels.shape(), " is neither void (", void_label, ") nor one of the ", logits.shape()[-1],
           " classes of logits ", logits.shape());
    }
    const double factor = count.Reciprocal(total);
    scale.data<double>()[group] = factor;
    loss.data<Value>()[group] = static_cast<Value>(total.loss * factor);
  }
}

}  // namespace autograd::cpu
