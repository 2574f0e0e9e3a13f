#include "experiments/report/statistics.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_format.h"

namespace experiments {

MeanAndDeviation Summarize(absl::Span<const double> values) {
  MeanAndDeviation summary;
  summary.count = static_cast<int>(values.size());
  if (values.empty()) {
    summary.mean = std::numeric_limits<double>::quiet_NaN();
    return summary;
  }
  double sum = 0.0;
  for (double value : values) sum += value;
  summary.mean = sum / values.size();
  if (values.size() < 2) return summary;

  // Two passes: scores of several seeds differ in the last digits only, where the one-pass formula cancels.
  double squares = 0.0;
  for (double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.deviation = std::sqrt(squares / (values.size() - 1));
  return summary;
}

std::string FormatMeanAndDeviation(const MeanAndDeviation& summary, int decimals) {
  if (summary.count == 0) return "–";
  if (summary.count == 1) return absl::StrFormat("%.*f", decimals, summary.mean);
  return absl::StrFormat("%.*f ± %.*f", decimals, summary.mean, decimals, summary.deviation);
}

}  // namespace experiments
