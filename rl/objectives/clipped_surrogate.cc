#include "rl/objectives/clipped_surrogate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "autograd/core/array_kernels.h"
#include "autograd/core/dims.h"
#include "autograd/ops/elementwise.h"

namespace rl {

using autograd::Array;
using autograd::Variable;

namespace {

double High(const ClippedSurrogateOptions& options) {
  return 1 + (options.clip_high < 0 ? options.clip : options.clip_high);
}

std::vector<double> OnHost(const Array& values) {
  if (values.dtype() == autograd::kFloat64) return values.ToVector<double>();
  Array wide = Array::Empty(values.shape(), autograd::kFloat64);
  autograd::kernels::Convert(autograd::Stream::Current(), values, wide);
  return wide.ToVector<double>();
}

}  // namespace

Variable ClippedSurrogate(const Variable& log_probability, const Array& old_log_probability, const Array& advantage,
                          const ClippedSurrogateOptions& options, Array* log_ratio) {
  autograd::Dims dims("ClippedSurrogate");
  dims.Match(log_probability, "log_probability: ...").Match(old_log_probability, "old_log_probability: ...");
  dims.Match(advantage, "advantage: ...").SameType(log_probability.array(), advantage);
  dims.SameType(log_probability.array(), old_log_probability);
  autograd::Require(options.clip >= 0 && options.clip <= 1, dims.operation(), "clip is ", options.clip);
  const double bound = options.largest_log_ratio;
  autograd::Require(bound > 0, dims.operation(), "largest_log_ratio is ", bound);

  const Variable difference = autograd::Subtract(log_probability, Variable(old_log_probability));
  if (log_ratio != nullptr) *log_ratio = difference.array();
  const Variable ratio = autograd::Exponential(autograd::Clamp(difference, -bound, bound));
  const Variable clipped = autograd::Clamp(ratio, 1 - options.clip, High(options));
  const Variable constant(advantage);
  return autograd::Negative(
      autograd::Minimum(autograd::Multiply(ratio, constant), autograd::Multiply(clipped, constant)));
}

RatioReport ReportRatios(const Array& log_ratio, const Array& advantage, const ClippedSurrogateOptions& options) {
  autograd::Dims dims("ReportRatios");
  dims.Match(log_ratio, "log_ratio: ...").Match(advantage, "advantage: ...").SameType(log_ratio, advantage);
  const std::vector<double> differences = OnHost(log_ratio), advantages = OnHost(advantage);
  RatioReport report;
  if (differences.empty()) return report;
  report.smallest = std::numeric_limits<double>::infinity();
  report.largest = 0;
  const double bound = options.largest_log_ratio, share = 1 / static_cast<double>(differences.size());
  for (size_t i = 0; i < differences.size(); ++i) {
    const double ratio = std::exp(std::clamp(differences[i], -bound, bound));
    if (std::isnan(ratio)) return {ratio, ratio, ratio, ratio};
    report.smallest = std::min(report.smallest, ratio);
    report.largest = std::max(report.largest, ratio);
    report.clipped +=
        std::clamp(ratio, 1 - options.clip, High(options)) * advantages[i] < ratio * advantages[i] ? share : 0;
    report.bounded += std::abs(differences[i]) > bound ? share : 0;
  }
  return report;
}

}  // namespace rl
