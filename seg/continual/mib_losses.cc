#include "seg/continual/mib_losses.h"

#include <algorithm>
#include <vector>

#include "autograd/core/dims.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/resize.h"
#include "autograd/ops/softmax.h"
#include "seg/metrics/class_counts.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Require;
using autograd::Variable;

// log Σ_c exp(x_c): [..., k] → [..., 1]. x_c less its logarithm of the softmax is that for any c; c = 0 it is.
Variable LogSumExp(const Variable& x) {
  return autograd::Slice(x, -1, 0, 1) - autograd::Slice(autograd::LogSoftmax(x), -1, 0, 1);
}

// What a label is called once the old classes are one: 0 below `old_classes`, then 1, 2, …; 255 stays.
Array FoldLabels(const Array& labels, int64_t old_classes) {
  std::vector<uint8_t> table(256);
  for (int64_t label = 0; label < kVoid; ++label)
    table[label] = static_cast<uint8_t>(std::max<int64_t>(0, label - old_classes + 1));
  table[kVoid] = kVoid;
  return autograd::Gather(Variable(Array::From({256}, table)), labels).array();
}

}  // namespace

Variable UnbiasedCrossEntropy(const Variable& logits, const Array& labels, int64_t old_classes,
                              autograd::PixelMean mean) {
  autograd::Dims dims("UnbiasedCrossEntropy");
  dims.Match(logits, "logits: n _ _ k").Match(labels, "labels: n h w").Floating(logits.array());
  dims.Is(labels, autograd::kUInt8, "labels");
  Require(old_classes >= 1 && old_classes <= dims["k"], dims.operation(), old_classes, " old classes in logits ",
          logits.shape());
  const Variable x = autograd::ResizeBilinear(logits, dims["h"], dims["w"]);
  const std::vector<Variable> parts = autograd::Split(x, -1, {old_classes, dims["k"] - old_classes});
  // The softmax over [log Σ old, new] has the normaliser of that over all.
  return autograd::CrossEntropy(autograd::Concatenate({LogSumExp(parts[0]), parts[1]}, -1),
                                FoldLabels(labels, old_classes), kVoid, {}, mean);
}

Variable UnbiasedDistillation(const Variable& logits, const Array& old_logits, int64_t height, int64_t width) {
  autograd::Dims dims("UnbiasedDistillation");
  dims.Match(logits, "logits: n _ _ k").Match(old_logits, "old_logits: n _ _ old");
  dims.SameType(logits.array(), old_logits).Floating(old_logits);
  const int64_t old_classes = dims["old"];
  Require(old_classes >= 1 && old_classes <= dims["k"], dims.operation(), "old_logits ", old_logits.shape(),
          " for logits ", logits.shape());
  const Variable x = autograd::ResizeBilinear(logits, height, width);
  const std::vector<Variable> parts = autograd::Split(x, -1, {1, old_classes - 1, dims["k"] - old_classes});
  const Variable background = LogSumExp(autograd::Concatenate({parts[0], parts[2]}, -1));
  const Variable log_p = autograd::LogSoftmax(autograd::Concatenate({background, parts[1]}, -1));
  const Variable q = autograd::Softmax(autograd::ResizeBilinear(Variable(old_logits), height, width));
  return -autograd::Mean(q.Detach() * log_p);
}

}  // namespace seg
