#include "experiments/latent/deviation_picture.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "experiments/report/picture_text.h"

namespace experiments::latent {
namespace {

constexpr int kRowHeight = 6, kWidth = 512, kMargin = 8, kLetters = 2;

// −1 blue, 0 white, 1 red.
data::Color Diverging(double x) {
  const auto faded = static_cast<uint8_t>(std::lround(255 * (1 - std::min(std::abs(x), 1.0))));
  if (x < 0) return {faded, faded, 255};
  return {255, faded, faded};
}

}  // namespace

data::Image DrawDeviations(const autograd::Array& deviations) {
  const auto channels = static_cast<size_t>(deviations.shape()[1]);
  const std::vector<float> values = deviations.ToVector<float>();
  size_t moments = values.size() / channels;
  while (moments > 0 && values[(moments - 1) * channels] == 0) --moments;
  if (moments == 0) return {};

  std::vector<size_t> order(channels);
  std::iota(order.begin(), order.end(), size_t{0});
  const float* last = values.data() + (moments - 1) * channels;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return last[a] < last[b]; });
  double largest = 1e-6, low = 0, high = 0;
  for (size_t i = 0; i < moments * channels; ++i) {
    if (values[i] <= 0) continue;
    const double log_sigma = std::log(values[i]);
    largest = std::max(largest, std::abs(log_sigma));
    low = std::min(low, log_sigma);
    high = std::max(high, log_sigma);
  }

  const int text = TextHeight(kLetters), height = static_cast<int>(moments) * kRowHeight;
  data::Image picture(height + text + 3 * kMargin, kWidth + 2 * kMargin);
  std::fill(picture.pixels.begin(), picture.pixels.end(), uint8_t{255});
  for (int y = 0; y < height; ++y) {
    uint8_t* row = picture.Row(y + kMargin) + size_t{3} * kMargin;
    for (int x = 0; x < kWidth; ++x) {
      const size_t channel = order[static_cast<size_t>(x) * channels / kWidth];
      const float sigma = values[static_cast<size_t>(y / kRowHeight) * channels + channel];
      const data::Color color = Diverging(sigma > 0 ? std::log(sigma) / largest : 0);
      row[3 * x] = color.red;
      row[3 * x + 1] = color.green;
      row[3 * x + 2] = color.blue;
    }
  }
  DrawText(picture, kMargin, height + 2 * kMargin,
           absl::StrFormat("sigma of %d channels, later below: %.3g to %.3g", static_cast<int>(channels), std::exp(low),
                           std::exp(high)),
           {0, 0, 0}, kLetters);
  return picture;
}

}  // namespace experiments::latent
