#include "experiments/report/overlay.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include "autograd/runtime/error.h"

namespace experiments {
namespace {

constexpr data::Color kRightColor = {255, 255, 255};
constexpr data::Color kUncountedColor = {208, 208, 208};

void RequireSameSize(const char* operation, int height, int width, const data::LabelMap& labels) {
  autograd::Require(height == labels.height && width == labels.width, operation, "a label map of ", labels.height,
                    " x ", labels.width, " beside ", height, " x ", width);
}

data::Color ColorOf(const char* operation, uint8_t label, absl::Span<const data::Color> palette) {
  autograd::Require(label < palette.size(), operation, "label ", int{label}, " in a palette of ", palette.size());
  return palette[label];
}

void SetPixel(uint8_t* pixel, data::Color color) {
  pixel[0] = color.red;
  pixel[1] = color.green;
  pixel[2] = color.blue;
}

}  // namespace

data::Image ColorLabels(const data::LabelMap& labels, absl::Span<const data::Color> palette, data::Color void_color) {
  data::Image picture(labels.height, labels.width, 3);
  for (size_t i = 0; i < labels.values.size(); ++i) {
    const uint8_t label = labels.values[i];
    SetPixel(&picture.pixels[3 * i], label == data::kVoidLabel ? void_color : ColorOf("ColorLabels", label, palette));
  }
  return picture;
}

data::Image BlendLabels(const data::Image& image, const data::LabelMap& labels, absl::Span<const data::Color> palette,
                        double opacity) {
  autograd::Require(image.channels == 3, "BlendLabels", "an image of ", image.channels, " channels, RGB wanted");
  RequireSameSize("BlendLabels", image.height, image.width, labels);
  const auto mix = [opacity](uint8_t below, uint8_t above) {
    return static_cast<uint8_t>(std::lround((1.0 - opacity) * below + opacity * above));
  };
  data::Image picture = image;
  for (size_t i = 0; i < labels.values.size(); ++i) {
    if (labels.values[i] == data::kVoidLabel) continue;
    const data::Color color = ColorOf("BlendLabels", labels.values[i], palette);
    uint8_t* pixel = &picture.pixels[3 * i];
    SetPixel(pixel, {mix(pixel[0], color.red), mix(pixel[1], color.green), mix(pixel[2], color.blue)});
  }
  return picture;
}

data::Image ErrorPicture(const data::LabelMap& truth, const data::LabelMap& prediction,
                         absl::Span<const data::Color> palette) {
  RequireSameSize("ErrorPicture", truth.height, truth.width, prediction);
  data::Image picture(truth.height, truth.width, 3);
  for (size_t i = 0; i < truth.values.size(); ++i) {
    data::Color color = kRightColor;
    if (truth.values[i] == data::kVoidLabel) {
      color = kUncountedColor;
    } else if (truth.values[i] != prediction.values[i]) {
      color = ColorOf("ErrorPicture", prediction.values[i], palette);
    }
    SetPixel(&picture.pixels[3 * i], color);
  }
  return picture;
}

data::Image PictureGrid(const std::vector<std::vector<data::Image>>& rows, int gap, data::Color background) {
  std::vector<int> heights(rows.size(), 0), widths;
  for (size_t r = 0; r < rows.size(); ++r) {
    widths.resize(std::max(widths.size(), rows[r].size()), 0);
    for (size_t c = 0; c < rows[r].size(); ++c) {
      const data::Image& cell = rows[r][c];
      autograd::Require(cell.channels == 3, "PictureGrid", "a picture of ", cell.channels, " channels, RGB wanted");
      heights[r] = std::max(heights[r], cell.height);
      widths[c] = std::max(widths[c], cell.width);
    }
  }
  const auto extent = [gap](const std::vector<int>& sizes) {
    return std::accumulate(sizes.begin(), sizes.end(), 0) + gap * std::max(0, static_cast<int>(sizes.size()) - 1);
  };
  data::Image grid(extent(heights), extent(widths), 3);
  for (size_t i = 0; i < grid.pixels.size(); i += 3) SetPixel(&grid.pixels[i], background);

  int top = 0;
  for (size_t r = 0; r < rows.size(); top += heights[r] + gap, ++r) {
    int left = 0;
    for (size_t c = 0; c < rows[r].size(); left += widths[c] + gap, ++c) {
      const data::Image& cell = rows[r][c];
      const int y0 = top + (heights[r] - cell.height) / 2, x0 = left + (widths[c] - cell.width) / 2;
      for (int y = 0; y < cell.height; ++y) std::copy_n(cell.Row(y), 3 * cell.width, grid.Row(y0 + y) + 3 * x0);
    }
  }
  return grid;
}

}  // namespace experiments
