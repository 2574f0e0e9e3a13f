#include "seg/continual/pseudo_labels.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "autograd/core/dims.h"
#include "seg/continual/pseudo_labels_kernels.h"
#include "seg/metrics/class_counts.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Require;
using autograd::Stream;

constexpr double kReleasedFloor = 0.001;

void CheckClasses(const char* operation, int64_t classes) {
  Require(classes >= 2 && classes <= kVoid, operation, classes, " old classes");
}

void CheckPixels(autograd::Dims& dims, const Array& labels, const PixelEntropies& pixels) {
  dims.Match(labels, "labels: n h w").Is(labels, autograd::kUInt8, "labels");
  dims.Match(pixels.entropy, "entropy: n h w").Is(pixels.entropy, autograd::kFloat32, "entropy");
  dims.Match(pixels.prediction, "prediction: n h w").SameType(labels, pixels.prediction);
  Require(labels.device() == pixels.entropy.device(), dims.operation(), "labels are on ", labels.device(),
          " but the entropy on ", pixels.entropy.device());
  Require(dims["h"] * dims["w"] <= std::numeric_limits<int32_t>::max(), dims.operation(), "labels ", labels.shape());
}

}  // namespace

PixelEntropies EntropyOf(const Array& logits, EntropyReading reading, int seen_classes) {
  autograd::Dims dims("EntropyOf");
  dims.Match(logits, "logits: n h w k").Floating(logits);
  const int64_t classes = dims["k"];
  CheckClasses(dims.operation(), classes);
  double scale = 1;
  if (reading == EntropyReading::kReleasedCode) {
    Require(seen_classes >= classes, dims.operation(), seen_classes, " classes seen but logits ", logits.shape());
    const double count = static_cast<double>(classes);
    scale = 1 / (count * std::log(count) * std::log(static_cast<double>(seen_classes)));
  }
  const autograd::Shape map = {dims["n"], dims["h"], dims["w"]};
  PixelEntropies pixels{Array::Empty(map, autograd::kFloat32), Array::Empty(map, autograd::kUInt8)};
  kernels::PixelEntropy(Stream::Current(), logits, reading, scale, pixels.entropy, pixels.prediction);
  return pixels;
}

double PaperThreshold(std::span<const int64_t> counts) {
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  if (total == 0) return 0;
  const double half = static_cast<double>(total) / 2;
  int64_t below = 0;
  size_t bin = 0;
  while (static_cast<double>(below + counts[bin]) < half) below += counts[bin++];
  const double low = EntropyBins::PaperEdge(static_cast<int>(bin)),
               high = EntropyBins::PaperEdge(static_cast<int>(bin) + 1);
  return low + (high - low) * (half - static_cast<double>(below)) / static_cast<double>(counts[bin]);
}

double ReleasedThreshold(std::span<const int64_t> counts) {
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  if (total == 0) return kReleasedFloor;
  const double half = static_cast<double>(total) / 2, bins = static_cast<double>(counts.size());
  double running = 0;
  size_t bin = 0;
  for (; bin < counts.size(); ++bin) {
    if (half >= running && half <= running + static_cast<double>(counts[bin])) break;
    running += static_cast<double>(bin);  // the release's defect: should be the count
  }
  if (bin == counts.size()) --bin;
  const double median = (static_cast<double>(bin) + (half - running) / static_cast<double>(counts[bin])) / bins;
  return std::fmax(median, kReleasedFloor);  // of NaN and a number, the number
}

EntropyThresholds::EntropyThresholds(int old_classes, EntropyReading reading) : reading_(reading) {
  CheckClasses("EntropyThresholds", old_classes);
  counts_ = Array::Zeros({old_classes, EntropyBins::Count(reading)}, autograd::kInt64);
}

void EntropyThresholds::Add(const Array& labels, const PixelEntropies& pixels) {
  autograd::Dims dims("EntropyThresholds::Add");
  CheckPixels(dims, labels, pixels);
  kernels::CountEntropies(Stream::Current(), labels, pixels.entropy, pixels.prediction, reading_, counts_);
}

Array EntropyThresholds::Finish() const {
  const std::vector<int64_t> counts = counts_.ToVector<int64_t>();
  const int64_t classes = counts_.shape()[0], bins = counts_.shape()[1];
  std::vector<float> thresholds;
  for (int64_t k = 0; k < classes; ++k) {
    const std::span own(counts.data() + k * bins, static_cast<size_t>(bins));
    thresholds.push_back(
        static_cast<float>(reading_ == EntropyReading::kPaper ? PaperThreshold(own) : ReleasedThreshold(own)));
  }
  return Array::From({classes}, thresholds);
}

PseudoLabels PseudoLabel(const Array& labels, const PixelEntropies& pixels, const Array& thresholds) {
  autograd::Dims dims("PseudoLabel");
  CheckPixels(dims, labels, pixels);
  dims.Match(thresholds, "thresholds: k").SameType(thresholds, pixels.entropy);
  CheckClasses(dims.operation(), dims["k"]);
  PseudoLabels pseudo{autograd::EmptyLike(labels), Array::Empty({dims["n"]}, autograd::kFloat32)};
  kernels::PseudoLabel(Stream::Current(), labels, pixels.entropy, pixels.prediction, thresholds, pseudo.labels,
                       pseudo.factor);
  return pseudo;
}

}  // namespace seg
