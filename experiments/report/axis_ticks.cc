#include "experiments/report/axis_ticks.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace experiments {

AxisTicks MakeAxisTicks(double low, double high, int most) {
  AxisTicks ticks;
  // Rounding must neither lose nor invent a tick at the very ends.
  const double tolerance = 1e-9 * (high - low);
  const auto count = [&](double step) {
    return std::floor((high + tolerance) / step) - std::ceil((low - tolerance) / step) + 1;
  };
  double power = std::pow(10.0, std::floor(std::log10((high - low) / most)) - 1);
  for (bool found = false; !found; power *= 10.0) {
    for (double multiple : {1.0, 2.0, 5.0}) {
      ticks.step = multiple * power;
      found = count(ticks.step) <= most;
      if (found) break;
    }
  }
  const double first = std::ceil((low - tolerance) / ticks.step);
  for (int i = 0; i < count(ticks.step); ++i) ticks.values.push_back((first + i) * ticks.step);
  return ticks;
}

std::string FormatTick(double value, double step) {
  if (std::abs(value) < 1e-9 * step) return "0";
  absl::string_view unit = "";
  if (std::abs(value) >= 1e6 && step >= 1e4) {
    unit = "M";
    value /= 1e6;
    step /= 1e6;
  } else if (std::abs(value) >= 1e4 || (std::abs(value) >= 1e3 && step >= 100.0)) {
    unit = "k";
    value /= 1e3;
    step /= 1e3;
  }
  const int exponent = static_cast<int>(std::floor(std::log10(step) + 1e-9));
  if (exponent < -5 || exponent > 6) {
    // As many digits as tell a tick from the next.
    const int digits = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9)) - exponent;
    return absl::StrCat(value < 0 ? "−" : "", absl::StrFormat("%.*e", std::max(0, digits), std::abs(value)));
  }
  // As many decimals as the value itself needs: 0, 0.5 and 1 are nicer than 0.0, 0.5 and 1.0.
  int decimals = std::max(0, -exponent);
  while (decimals > 0 &&
         std::abs(value - std::round(value * std::pow(10, decimals - 1)) / std::pow(10, decimals - 1)) < 1e-6 * step) {
    --decimals;
  }
  return absl::StrCat(value < 0 ? "−" : "", absl::StrFormat("%.*f", decimals, std::abs(value)), unit);
}

}  // namespace experiments
