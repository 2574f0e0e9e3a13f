#pragma once

#include <string>
#include <vector>

namespace experiments {

// One line of a plot. Points where y is not finite break the line.
struct Series {
  std::string name;
  std::vector<double> x = {};          // Ascending.
  std::vector<double> y = {};          // As many.
  std::vector<double> deviation = {};  // Empty, or as many: a band y ± deviation.
  bool dashed = false;                 // For a reference, such as the supervised score.
  int color = -1;  // Number of the colour, so that plots agree; -1: its place in the plot. From 8 on dotted.
};

struct CurvePlot {
  std::string title, x_label, y_label;
  std::vector<Series> series;
};

// An HTML figure: title, legend with the last values, and an inline SVG whose colours come from the style
// sheet (custom properties --series-0 … --series-7, and classes). A series of more than 200 points is drawn
// faintly, with its centred moving average on top, and the legend says so.
std::string CurvePlotHtml(const CurvePlot& plot);

}  // namespace experiments
