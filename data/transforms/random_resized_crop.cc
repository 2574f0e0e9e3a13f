#include <algorithm>
#include <cmath>

#include "autograd/runtime/error.h"
#include "data/random/random_sequence.h"
#include "data/transforms/resize.h"
#include "data/transforms/transform.h"

namespace data {
namespace {

constexpr int kTries = 10;
constexpr double kLargestRatio = 4.0 / 3;
constexpr double kLogRatio = 0.28768207245178093;  // of 4/3

// e^x for |x| ≤ log 4/3, by its series: libraries differ in the last bit, and a part's side might with it.
double Exponential(double x) {
  double sum = 1;
  for (int k = 15; k >= 1; --k) sum = 1 + x / k * sum;
  return sum;
}

double Uniform(RandomSequence& random, double low, double high) {
  return low + (high - low) * autograd::UniformFloat(random.Word());
}

int Rounded(double x) { return static_cast<int>(std::floor(x + 0.5)); }

Window InTheMiddle(int height, int width, int window_height, int window_width) {
  return {(height - window_height) / 2, (width - window_width) / 2, window_height, window_width};
}

Window ChoosePart(RandomSequence& random, int height, int width, const RandomResizedCropOptions& options) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const double area = Uniform(random, options.smallest_area, options.largest_area) * height * width;
    const double ratio = Exponential(Uniform(random, -kLogRatio, kLogRatio));
    const int part_width = std::max(1, Rounded(std::sqrt(area * ratio)));
    const int part_height = std::max(1, Rounded(std::sqrt(area / ratio)));
    if (part_width > width || part_height > height) continue;
    const int top = random.Below(height - part_height + 1), left = random.Below(width - part_width + 1);
    return {top, left, part_height, part_width};
  }
  const double ratio = static_cast<double>(width) / height;
  if (ratio < 1 / kLargestRatio)
    return InTheMiddle(height, width, std::min(height, Rounded(width * kLargestRatio)), width);
  if (ratio > kLargestRatio)
    return InTheMiddle(height, width, height, std::min(width, Rounded(height * kLargestRatio)));
  return {0, 0, height, width};
}

}  // namespace

Transform RandomResizedCrop(const RandomResizedCropOptions& options) {
  constexpr char kOperation[] = "RandomResizedCrop";
  autograd::Require(options.height > 0 && options.width > 0, kOperation, options.height, " x ", options.width);
  autograd::Require(options.smallest_area > 0 && options.largest_area >= options.smallest_area, kOperation,
                    "the areas are ", options.smallest_area, " to ", options.largest_area);
  return [options](const autograd::RandomKey& key, Sample& sample, Geometry& geometry) {
    RandomSequence random(key);
    const Window part = ChoosePart(random, sample.image.height, sample.image.width, options);
    sample.image = ResizeImage(CropImage(sample.image, part), options.height, options.width);
    sample.label = ResizeLabel(CropLabel(sample.label, part), options.height, options.width);
    geometry.push_back({"crop", {part.top, part.left, part.height, part.width}});
    geometry.push_back({"resize", {options.height, options.width}});
  };
}

}  // namespace data
