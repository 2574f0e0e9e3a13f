#include "experiments/report/curve_plot.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "autograd/runtime/error.h"
#include "experiments/report/axis_ticks.h"
#include "experiments/report/display_width.h"
#include "experiments/report/html_escape.h"

namespace experiments {
namespace {

// User units of the view box. The picture is drawn at about this size on a phone and in one of two
// columns, so text keeps its size.
constexpr double kWidth = 540, kHeight = 300;
constexpr double kLeastLeft = 34, kTickCharacter = 8.4, kRight = 14, kTop = 12, kBottom = 42;
constexpr int kColors = 8;

// How a series is drawn: its colour, and what its line looks like.
struct Pen {
  int color;
  const char* line;  // class of the style sheet
};
Pen PenOf(const CurvePlot& plot, size_t s) {
  const Series& series = plot.series[s];
  const int number = series.color >= 0 ? series.color : static_cast<int>(s);
  return {number % kColors, series.dashed ? "dashed" : number < kColors ? "solid" : "dotted"};
}
constexpr size_t kNoisyPoints = 200;
constexpr size_t kMostPoints = 400;  // Of a polyline: more than two a pixel cannot be told apart.

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void Include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void MakeNonempty() {
    if (low > high) *this = {0.0, 1.0};
    if (low == high) {
      const double margin = low == 0.0 ? 1.0 : 0.1 * std::abs(low);
      *this = {low - margin, high + margin};
    }
  }
};

using Points = std::vector<std::pair<double, double>>;

// The lowest and highest point of each stretch, in order: what a pixel-wide column of a dense curve shows.
Points Thin(const Points& points) {
  if (points.size() <= kMostPoints) return points;
  Points thinned;
  const size_t stretches = kMostPoints / 2;
  for (size_t s = 0; s < stretches; ++s) {
    const auto begin = points.begin() + s * points.size() / stretches;
    const auto end = points.begin() + (s + 1) * points.size() / stretches;
    auto [low, high] =
        std::minmax_element(begin, end, [](const auto& a, const auto& b) { return a.second < b.second; });
    if (low > high) std::swap(low, high);
    thinned.push_back(*low);
    if (low != high) thinned.push_back(*high);
  }
  return thinned;
}

size_t AverageWindow(size_t points) { return std::max<size_t>(5, points / 40) | 1; }

std::vector<double> MovingAverage(const std::vector<double>& values, size_t window) {
  std::vector<double> averages(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t begin = i - std::min(i, window / 2), end = std::min(values.size(), i + window / 2 + 1);
    double sum = 0.0;
    int count = 0;
    for (size_t j = begin; j < end; ++j) {
      if (!std::isfinite(values[j])) continue;
      sum += values[j];
      ++count;
    }
    averages[i] = count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
  }
  return averages;
}

class Canvas {
 public:
  explicit Canvas(const CurvePlot& plot) {
    for (const Series& series : plot.series) {
      autograd::Require(series.x.size() == series.y.size() &&
                            (series.deviation.empty() || series.deviation.size() == series.y.size()),
                        "CurvePlot", "series ", series.name, " has ", series.x.size(), " x, ", series.y.size(),
                        " y and ", series.deviation.size(), " deviations");
      for (size_t i = 0; i < series.x.size(); ++i) {
        const double reach = series.deviation.empty() ? 0.0 : series.deviation[i];
        x_.Include(series.x[i]);
        y_.Include(series.y[i] - reach);
        y_.Include(series.y[i] + reach);
      }
    }
    x_.MakeNonempty();
    y_.MakeNonempty();
    // Show zero when it is near; a curve from 0.02 to 0.8 that seems to start at the bottom misleads.
    if (y_.low > 0.0 && y_.low < 0.25 * y_.high) y_.low = 0.0;
    const double margin = 0.04 * (y_.high - y_.low);
    y_.high += margin;
    if (y_.low != 0.0) y_.low -= margin;
  }

  void DrawAxes(absl::string_view x_label) {
    const AxisTicks y_ticks = MakeAxisTicks(y_.low, y_.high, 6);
    for (double value : y_ticks.values) {
      left_ = std::max(left_, 12 + kTickCharacter * DisplayWidth(FormatTick(value, y_ticks.step)));
    }
    for (double value : y_ticks.values) {
      absl::StrAppendFormat(&svg_, "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>", left_,
                            kWidth - kRight, Y(value), Y(value));
      absl::StrAppendFormat(&svg_, "<text class=\"tick\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                            left_ - 7, Y(value) + 4, FormatTick(value, y_ticks.step));
    }
    const AxisTicks x_ticks = MakeAxisTicks(x_.low, x_.high, 7);
    for (double value : x_ticks.values) {
      absl::StrAppendFormat(&svg_, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\"/>", X(value),
                            X(value), kHeight - kBottom, kHeight - kBottom + 4);
      absl::StrAppendFormat(&svg_, "<text class=\"tick\" x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>",
                            X(value), kHeight - kBottom + 17, FormatTick(value, x_ticks.step));
    }
    absl::StrAppendFormat(&svg_, "<line class=\"axis\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.0f\" y2=\"%.0f\"/>", left_,
                          kWidth - kRight, kHeight - kBottom, kHeight - kBottom);
    absl::StrAppendFormat(&svg_, "<text class=\"label\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>",
                          (left_ + kWidth - kRight) / 2, kHeight - 6, HtmlEscape(x_label));
  }

  void DrawSeries(const Series& series, const Pen& pen) {
    if (!series.deviation.empty()) DrawBand(series, pen.color);
    if (series.y.size() <= kNoisyPoints) return DrawLine(series.x, series.y, pen.color, pen.line);
    DrawLine(series.x, series.y, pen.color, "noise");
    DrawLine(series.x, MovingAverage(series.y, AverageWindow(series.y.size())), pen.color, pen.line);
  }

  const std::string& svg() const { return svg_; }

 private:
  double X(double value) const { return left_ + (value - x_.low) / (x_.high - x_.low) * (kWidth - left_ - kRight); }
  double Y(double value) const {
    return kHeight - kBottom - (value - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom);
  }

  void DrawLine(const std::vector<double>& x, const std::vector<double>& y, int color, absl::string_view kind) {
    Points run;
    const auto flush = [&] {
      if (run.size() == 1) {  // A line of one point is invisible.
        absl::StrAppendFormat(&svg_,
                              "<circle class=\"dot\" style=\"--c:var(--series-%d)\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>",
                              color, run[0].first, run[0].second);
      } else if (!run.empty()) {
        absl::StrAppendFormat(&svg_, "<polyline class=\"%s\" style=\"--c:var(--series-%d)\" points=\"", kind, color);
        for (const auto& [px, py] : Thin(run)) absl::StrAppendFormat(&svg_, "%.1f,%.1f ", px, py);
        svg_ += "\"/>";
      }
      run.clear();
    };
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isfinite(x[i]) && std::isfinite(y[i])) {
        run.emplace_back(X(x[i]), Y(y[i]));
      } else {
        flush();
      }
    }
    flush();
  }

  void DrawBand(const Series& series, int color) {
    std::string upper, lower;
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.y[i]) || !std::isfinite(series.deviation[i])) continue;
      absl::StrAppendFormat(&upper, "%.1f,%.1f ", X(series.x[i]), Y(series.y[i] + series.deviation[i]));
      lower = absl::StrFormat("%.1f,%.1f ", X(series.x[i]), Y(series.y[i] - series.deviation[i])) + lower;
    }
    absl::StrAppendFormat(&svg_, "<polygon class=\"band\" style=\"--c:var(--series-%d)\" points=\"%s%s\"/>", color,
                          upper, lower);
  }

  Range x_, y_;
  double left_ = kLeastLeft;  // Of the frame; DrawAxes makes room for the labels of the ticks.
  std::string svg_;
};

std::string Legend(const CurvePlot& plot) {
  std::string html = "<div class=\"legend\">";
  for (size_t s = 0; s < plot.series.size(); ++s) {
    const Series& series = plot.series[s];
    const Pen pen = PenOf(plot, s);
    absl::StrAppendFormat(&html, "<span><i class=\"%s\" style=\"--c:var(--series-%d)\"></i>%s", pen.line, pen.color,
                          HtmlEscape(series.name));
    const bool noisy = series.y.size() > kNoisyPoints;
    const std::vector<double> y = noisy ? MovingAverage(series.y, AverageWindow(series.y.size())) : series.y;
    const auto last = std::find_if(y.rbegin(), y.rend(), [](double value) { return std::isfinite(value); });
    if (last != y.rend()) absl::StrAppendFormat(&html, " <b>%.4g</b>", *last);
    if (noisy) {
      absl::StrAppendFormat(&html, " <em>moving average of %d</em>", AverageWindow(series.y.size()));
    }
    html += "</span>";
  }
  return html + "</div>";
}

}  // namespace

std::string CurvePlotHtml(const CurvePlot& plot) {
  Canvas canvas(plot);
  canvas.DrawAxes(plot.x_label);
  for (size_t s = 0; s < plot.series.size(); ++s) canvas.DrawSeries(plot.series[s], PenOf(plot, s));
  return absl::StrFormat(
      "<figure class=\"plot\"><figcaption>%s<small>%s</small></figcaption>%s"
      "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">%s</svg></figure>\n",
      HtmlEscape(plot.title), HtmlEscape(plot.y_label), Legend(plot), kWidth, kHeight, HtmlEscape(plot.title),
      canvas.svg());
}

}  // namespace experiments
