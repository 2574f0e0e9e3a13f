#include "data/transforms/resize.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "autograd/runtime/error.h"

namespace data {
namespace {

using autograd::Require;

// Weights have this many bits. Two passes of 8 + 11 + 11 bits fit an int32, so results are exact integers and
// the same on every machine.
constexpr int kWeightBits = 11;
constexpr int kOne = 1 << kWeightBits;

struct Tap {
  int first, second;  // input positions
  int weight;         // of the second, in 1 / kOne
};

std::vector<Tap> Taps(int input, int output, int begin, int count) {
  std::vector<Tap> taps(count);
  for (int i = 0; i < count; ++i) {
    // (begin + i + 0.5) * input / output - 0.5, as a fraction over 2 * output.
    const int64_t denominator = 2 * int64_t{output};
    const int64_t center =
        std::clamp<int64_t>((2 * int64_t{begin + i} + 1) * input - output, 0, (input - 1) * denominator);
    const int first = static_cast<int>(center / denominator);
    const int weight = static_cast<int>((center % denominator * kOne + output) / denominator);
    taps[i] = {first, std::min(first + 1, input - 1), weight};
  }
  return taps;
}

void CheckWindow(const char* operation, int height, int width, const Window& window) {
  Require(window.height > 0 && window.width > 0 && window.top >= 0 && window.left >= 0 &&
              window.top + window.height <= height && window.left + window.width <= width,
          operation, "window of ", window.height, " x ", window.width, " at (", window.top, ", ", window.left,
          ") in an image of ", height, " x ", width);
}

}  // namespace

Image ResizeImage(const Image& image, int height, int width) {
  return ResizeImageWindow(image, height, width, {0, 0, height, width});
}

Image ResizeImageWindow(const Image& image, int height, int width, const Window& window) {
  CheckWindow("ResizeImage", height, width, window);
  Require(image.height > 0 && image.width > 0, "ResizeImage", "the image is empty");
  if (height == image.height && width == image.width) return CropImage(image, window);
  const std::vector<Tap> rows = Taps(image.height, height, window.top, window.height);
  const std::vector<Tap> columns = Taps(image.width, width, window.left, window.width);
  const int channels = image.channels, count = window.width * channels;
  // Horizontally resized input rows; consecutive output rows share them.
  std::vector<int32_t> buffers[2] = {std::vector<int32_t>(count), std::vector<int32_t>(count)};
  int held[2] = {-1, -1};
  const auto horizontal = [&](int y) -> const int32_t* {
    const int slot = y & 1;
    if (held[slot] == y) return buffers[slot].data();
    held[slot] = y;
    int32_t* out = buffers[slot].data();
    const uint8_t* in = image.Row(y);
    for (int x = 0; x < window.width; ++x) {
      const uint8_t* a = in + columns[x].first * channels;
      const uint8_t* b = in + columns[x].second * channels;
      for (int c = 0; c < channels; ++c) out[x * channels + c] = a[c] * kOne + (b[c] - a[c]) * columns[x].weight;
    }
    return out;
  };
  Image result(window.height, window.width, channels);
  for (int y = 0; y < window.height; ++y) {
    const int32_t* a = horizontal(rows[y].first);
    const int32_t* b = horizontal(rows[y].second);
    const int32_t lower = rows[y].weight, upper = kOne - lower;
    uint8_t* out = result.Row(y);
    for (int i = 0; i < count; ++i) {
      out[i] = static_cast<uint8_t>((a[i] * upper + b[i] * lower + (1 << (2 * kWeightBits - 1))) >> (2 * kWeightBits));
    }
  }
  return result;
}

LabelMap ResizeLabel(const LabelMap& label, int height, int width) {
  Require(height > 0 && width > 0 && label.height > 0 && label.width > 0, "ResizeLabel", label.height, " x ",
          label.width, " to ", height, " x ", width);
  std::vector<int> columns(width);
  for (int x = 0; x < width; ++x)
    columns[x] = static_cast<int>((2 * int64_t{x} + 1) * label.width / (2 * int64_t{width}));
  LabelMap result(height, width);
  for (int y = 0; y < height; ++y) {
    const uint8_t* in = label.Row(static_cast<int>((2 * int64_t{y} + 1) * label.height / (2 * int64_t{height})));
    uint8_t* out = result.Row(y);
    for (int x = 0; x < width; ++x) out[x] = in[columns[x]];
  }
  return result;
}

Image CropImage(const Image& image, const Window& window) {
  CheckWindow("CropImage", image.height, image.width, window);
  Image result(window.height, window.width, image.channels);
  for (int y = 0; y < window.height; ++y) {
    const uint8_t* in = image.Row(window.top + y) + window.left * image.channels;
    std::memcpy(result.Row(y), in, static_cast<size_t>(window.width) * image.channels);
  }
  return result;
}

LabelMap CropLabel(const LabelMap& label, const Window& window) {
  CheckWindow("CropLabel", label.height, label.width, window);
  LabelMap result(window.height, window.width);
  for (int y = 0; y < window.height; ++y) {
    std::memcpy(result.Row(y), label.Row(window.top + y) + window.left, window.width);
  }
  return result;
}

}  // namespace data
