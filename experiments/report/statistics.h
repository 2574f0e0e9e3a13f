#pragma once

#include <string>

#include "absl/types/span.h"

namespace experiments {

// Mean and sample standard deviation (divisor count − 1) of one number measured with several seeds.
struct MeanAndDeviation {
  double mean = 0.0;       // NaN when nothing was measured.
  double deviation = 0.0;  // 0 when there are fewer than two values.
  int count = 0;
};

MeanAndDeviation Summarize(absl::Span<const double> values);

// "55.75 ± 0.31"; only the mean when there is one value; "–" when there is none.
std::string FormatMeanAndDeviation(const MeanAndDeviation& summary, int decimals);

}  // namespace experiments
