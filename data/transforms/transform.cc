#include "data/transforms/transform.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "autograd/runtime/error.h"
#include "data/random/random_sequence.h"
#include "data/transforms/color.h"
#include "data/transforms/resize.h"

namespace data {
namespace {

using autograd::RandomKey;
using autograd::Require;

constexpr int kCropTries = 10;

Window DrawWindow(RandomSequence& random, int height, int width, int crop_height, int crop_width) {
  Window window;
  window.top = random.Below(std::max(height - crop_height, 0) + 1);
  window.left = random.Below(std::max(width - crop_width, 0) + 1);
  window.height = std::min(height, crop_height);
  window.width = std::min(width, crop_width);
  return window;
}

bool IsMixed(const LabelMap& label, const Window& window, double largest_share) {
  std::array<int64_t, 256> counts = {};
  for (int y = window.top; y < window.top + window.height; ++y) {
    const uint8_t* row = label.Row(y) + window.left;
    for (int x = 0; x < window.width; ++x) ++counts[row[x]];
  }
  counts[kVoidLabel] = 0;
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const int64_t largest = *std::max_element(counts.begin(), counts.end());
  return total > largest && static_cast<double>(largest) < largest_share * static_cast<double>(total);
}

Window ChooseWindow(RandomSequence& random, const LabelMap& label, int crop_height, int crop_width,
                    double largest_share) {
  Window window = DrawWindow(random, label.height, label.width, crop_height, crop_width);
  if (largest_share >= 1) return window;
  for (int attempt = 0; attempt < kCropTries && !IsMixed(label, window, largest_share); ++attempt) {
    window = DrawWindow(random, label.height, label.width, crop_height, crop_width);
  }
  return window;
}

double DrawScale(RandomSequence& random, double smallest, double largest) {
  const double u = autograd::UniformFloat(random.Word());
  return smallest + (largest - smallest) * u;
}

GeometryStep Resized(const Size& size) { return {"resize", {size.height, size.width}}; }
GeometryStep Cropped(const Window& window) { return {"crop", {window.top, window.left, window.height, window.width}}; }

void CheckScales(const char* operation, double smallest, double largest) {
  Require(smallest > 0 && largest >= smallest, operation, "the scales are ", smallest, " to ", largest);
}

}  // namespace

Transform Resize(int height, int width) {
  Require(height > 0 && width > 0, "Resize", height, " x ", width);
  return [height, width](const RandomKey&, Sample& sample, Geometry& geometry) {
    sample.image = ResizeImage(sample.image, height, width);
    sample.label = ResizeLabel(sample.label, height, width);
    geometry.push_back(Resized({height, width}));
  };
}

Size FitSize(int height, int width, int long_side, int short_side, double scale) {
  const double factor =
      scale * std::min(static_cast<double>(std::max(long_side, short_side)) / std::max(height, width),
                       static_cast<double>(std::min(long_side, short_side)) / std::min(height, width));
  return {std::max(1, static_cast<int>(std::floor(height * factor + 0.5))),
          std::max(1, static_cast<int>(std::floor(width * factor + 0.5)))};
}

Transform FitResize(const FitResizeOptions& options) {
  Require(options.long_side > 0 && options.short_side > 0, "FitResize", "box of ", options.long_side, " x ",
          options.short_side);
  CheckScales("FitResize", options.smallest_scale, options.largest_scale);
  return [options](const RandomKey& key, Sample& sample, Geometry& geometry) {
    RandomSequence random(key);
    const double scale = DrawScale(random, options.smallest_scale, options.largest_scale);
    const Size size = FitSize(sample.image.height, sample.image.width, options.long_side, options.short_side, scale);
    sample.image = ResizeImage(sample.image, size.height, size.width);
    sample.label = ResizeLabel(sample.label, size.height, size.width);
    geometry.push_back(Resized(size));
  };
}

Transform RandomCrop(const RandomCropOptions& options) {
  Require(options.height > 0 && options.width > 0, "RandomCrop", options.height, " x ", options.width);
  return [options](const RandomKey& key, Sample& sample, Geometry& geometry) {
    RandomSequence random(key);
    const Window window = ChooseWindow(random, sample.label, options.height, options.width, options.largest_share);
    sample.image = CropImage(sample.image, window);
    sample.label = CropLabel(sample.label, window);
    geometry.push_back(Cropped(window));
  };
}

Transform FitResizeAndCrop(const FitResizeAndCropOptions& options) {
  Require(options.long_side > 0 && options.short_side > 0 && options.crop_height > 0 && options.crop_width > 0,
          "FitResizeAndCrop", "box of ", options.long_side, " x ", options.short_side, ", crop of ",
          options.crop_height, " x ", options.crop_width);
  CheckScales("FitResizeAndCrop", options.smallest_scale, options.largest_scale);
  return [options](const RandomKey& key, Sample& sample, Geometry& geometry) {
    RandomSequence random(key);
    const double scale = DrawScale(random, options.smallest_scale, options.largest_scale);
    const Size size =
        options.keep_ratio
            ? FitSize(sample.image.height, sample.image.width, options.long_side, options.short_side, scale)
            : FitSize(options.short_side, options.long_side, options.long_side, options.short_side, scale);
    const LabelMap resized = ResizeLabel(sample.label, size.height, size.width);
    const Window window = ChooseWindow(random, resized, options.crop_height, options.crop_width, options.largest_share);
    sample.image = ResizeImageWindow(sample.image, size.height, size.width, window);
    sample.label = CropLabel(resized, window);
    geometry.push_back(Resized(size));
    geometry.push_back(Cropped(window));
  };
}

Transform CenterCrop(int height, int width) {
  Require(height > 0 && width > 0, "CenterCrop", height, " x ", width);
  return [height, width](const RandomKey&, Sample& sample, Geometry& geometry) {
    Window window;
    window.height = std::min(height, sample.image.height);
    window.width = std::min(width, sample.image.width);
    window.top = (sample.image.height - window.height) / 2;
    window.left = (sample.image.width - window.width) / 2;
    sample.image = CropImage(sample.image, window);
    sample.label = CropLabel(sample.label, window);
    geometry.push_back(Cropped(window));
  };
}

Transform HorizontalFlip(float probability, const std::vector<std::pair<uint8_t, uint8_t>>& exchanged) {
  std::array<uint8_t, 256> mirrored;
  std::iota(mirrored.begin(), mirrored.end(), uint8_t{0});
  for (const auto& [left, right] : exchanged) std::swap(mirrored[left], mirrored[right]);
  return [probability, mirrored, exchanged](const RandomKey& key, Sample& sample, Geometry& geometry) {
    if (!RandomSequence(key).Chance(probability)) return;
    geometry.push_back({"mirror", {}});
    for (const auto& [left, right] : exchanged) geometry.push_back({"exchange", {left, right}});
    const int channels = sample.image.channels, width = sample.image.width;
    for (int y = 0; y < sample.image.height; ++y) {
      uint8_t* row = sample.image.Row(y);
      for (int x = 0; x < width / 2; ++x) {
        std::swap_ranges(row + x * channels, row + (x + 1) * channels, row + (width - 1 - x) * channels);
      }
      std::reverse(sample.label.Row(y), sample.label.Row(y) + width);
    }
    if (exchanged.empty()) return;
    for (uint8_t& value : sample.label.values) value = mirrored[value];
  };
}

std::vector<std::pair<uint8_t, uint8_t>> MirroredPairs(const DatasetInfo& info) {
  const std::vector<uint8_t>& mirrored = info.mirrored_classes;
  std::vector<std::pair<uint8_t, uint8_t>> exchanged;
  for (size_t k = 0; k < mirrored.size(); ++k) {
    const size_t other = mirrored[k];
    Require(other < mirrored.size() && mirrored[other] == k, "MirroredPairs", "class ", k, " of ", info.name,
            " becomes ", other, " in a mirrored image, which does not become ", k);
    if (k < other) exchanged.emplace_back(static_cast<uint8_t>(k), mirrored[k]);
  }
  return exchanged;
}

Transform PhotometricDistortion(const PhotometricOptions& options) {
  return [options](const RandomKey& key, Sample& sample) {
    RandomSequence random(key);
    const float p = options.probability;
    // All draws are made, used or not, so that switching one part off leaves the others as they were.
    const bool brighten = random.Chance(p);
    const float brightness = random.Uniform(-options.brightness, options.brightness);
    const bool contrast_first = random.Chance(0.5f);
    const bool change_contrast = random.Chance(p) && options.largest_contrast > 0;
    const float contrast = random.Uniform(options.smallest_contrast, options.largest_contrast);
    const bool saturate = random.Chance(p) && options.largest_saturation > 0;
    const float saturation = random.Uniform(options.smallest_saturation, options.largest_saturation);
    const bool turn_hue = random.Chance(p) && options.hue > 0;
    const int hue = random.Below(std::max(2 * options.hue, 1)) - options.hue;

    if (brighten && options.brightness > 0) ScaleAndShift(sample.image, 1, brightness);
    if (change_contrast && contrast_first) ScaleAndShift(sample.image, contrast, 0);
    if (saturate || turn_hue) {
      ScaleSaturationAndShiftHue(sample.image, saturate ? saturation : 1.0f, turn_hue ? hue : 0);
    }
    if (change_contrast && !contrast_first) ScaleAndShift(sample.image, contrast, 0);
  };
}

Transform Pad(int height, int width, Color fill) {
  return [height, width, fill](const RandomKey&, Sample& sample, Geometry& geometry) {
    const Image& image = sample.image;
    if (image.height >= height && image.width >= width) return;
    Image padded(std::max(height, image.height), std::max(width, image.width), image.channels);
    geometry.push_back({"pad", {padded.height, padded.width}});
    LabelMap label(padded.height, padded.width, kVoidLabel);
    const uint8_t color[3] = {fill.red, fill.green, fill.blue};
    for (size_t i = 0; i < padded.pixels.size(); ++i) padded.pixels[i] = color[i % 3];
    for (int y = 0; y < image.height; ++y) {
      std::memcpy(padded.Row(y), image.Row(y), static_cast<size_t>(image.width) * image.channels);
      std::memcpy(label.Row(y), sample.label.Row(y), image.width);
    }
    sample.image = std::move(padded);
    sample.label = std::move(label);
  };
}

}  // namespace data
