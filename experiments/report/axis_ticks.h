#pragma once

#include <string>
#include <vector>

namespace experiments {

// Positions 1, 2 or 5 times a power of ten apart.
struct AxisTicks {
  double step = 1.0;
  std::vector<double> values;  // Ascending, all within the range asked for.
};

// The finest ticks of which at most `most` fit into [low, high], low < high, most ≥ 2.
AxisTicks MakeAxisTicks(double low, double high, int most);

// Short and exact for a tick of that spacing: "0.05", "−2", "1.5k", "20k", "3M"; zeros are "0".
std::string FormatTick(double value, double step);

}  // namespace experiments
