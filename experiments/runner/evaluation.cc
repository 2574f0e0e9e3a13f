#include "experiments/runner/evaluation.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/resize.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/transpose.h"
#include "autograd/runtime/allocator.h"
#include "data/transforms/resize.h"
#include "seg/metrics/confusion_matrix.h"

namespace experiments {
namespace {

using autograd::Array;
using autograd::Variable;

// Enough for a batch to fill the cores, small enough for the memory of a large image's decoder.
constexpr int64_t kPixelsPerPass = 1 << 18;

// Ranks take turns by so many images, and none of them is passed through the network with one of another turn: how many there are
// in a pass may change a prediction's last bits, and must not depend on the number of ranks.
constexpr int64_t kImagesPerTurn = 16;

data::Image Mirrored(const data::Image& image) {
  data::Image mirrored(image.height, image.width, image.channels);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      std::copy_n(image.Row(y) + (image.width - 1 - x) * image.channels, image.channels,
                  mirrored.Row(y) + x * image.channels);
    }
  }
  return mirrored;
}

int RoundUp(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

// The top left of images [N, H, W, K] or label maps [N, H, W].
Variable Crop(Variable x, int height, int width) {
  if (x.shape()[1] != height) x = autograd::Slice(x, 1, 0, height);
  if (x.shape()[2] != width) x = autograd::Slice(x, 2, 0, width);
  return x;
}

// Logits of images of one size, padded to what the network takes: [N, H', W', K].
Variable PaddedLogits(Segmenter& segmenter, const std::vector<data::Image>& images,
                      const data::Normalization& normalization) {
  const int count = static_cast<int>(images.size());
  const int height = RoundUp(images[0].height, segmenter.SizeMultiple()),
            width = RoundUp(images[0].width, segmenter.SizeMultiple());
  std::vector<float> input(static_cast<size_t>(count) * height * width * 3);
  for (int i = 0; i < count; ++i) {
    data::NormalizeInto(images[i], normalization, height, width, input.data() + input.size() / count * i);
  }
  const Variable x(Array::From<float>({count, height, width, 3}, input));
  return autograd::ResizeBilinear(segmenter.Logits(x, nn::Context()), height, width);
}

// Logits, or probabilities, of one image at its own size: [1, H, W, K].
Variable WholeImage(Segmenter& segmenter, const data::Image& image, const data::Normalization& normalization,
                    bool probabilities) {
  const Variable logits = PaddedLogits(segmenter, {image}, normalization);
  return Crop(probabilities ? autograd::Softmax(logits) : logits, image.height, image.width);
}

// Sum of the windows' scores over each pixel, divided by their number: [1, H, W, K].
Variable SlidingWindows(Segmenter& segmenter, const data::Image& image, const data::Normalization& normalization,
                        const InferenceOptions& options, bool probabilities) {
  const int window = options.window, stride = options.stride > 0 ? options.stride : std::max(1, window * 2 / 3);
  const int window_height = std::min(window, image.height), window_width = std::min(window, image.width);
  const int rows = std::max(image.height - window_height + stride - 1, 0) / stride + 1;
  const int columns = std::max(image.width - window_width + stride - 1, 0) / stride + 1;
  const int64_t classes = segmenter.classes();
  std::vector<float> sums(static_cast<size_t>(image.height) * image.width * classes);
  std::vector<float> counts(static_cast<size_t>(image.height) * image.width);
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const int top = std::min(row * stride, image.height - window_height),
                left = std::min(column * stride, image.width - window_width);
      const data::Image part = data::CropImage(image, {top, left, window_height, window_width});
      const std::vector<float> scores =
          WholeImage(segmenter, part, normalization, probabilities).array().ToVector<float>();
      for (int y = 0; y < window_height; ++y) {
        const int64_t pixel = static_cast<int64_t>(top + y) * image.width + left;
        const float* from = scores.data() + static_cast<int64_t>(y) * window_width * classes;
        for (int64_t i = 0; i < window_width * classes; ++i) sums[pixel * classes + i] += from[i];
        for (int x = 0; x < window_width; ++x) counts[pixel + x] += 1;
      }
    }
  }
  for (size_t pixel = 0; pixel < counts.size(); ++pixel) {
    for (int64_t k = 0; k < classes; ++k) sums[pixel * classes + k] /= counts[pixel];
  }
  return Variable(Array::From<float>({1, image.height, image.width, classes}, sums));
}

bool OnePass(const InferenceOptions& options) {
  return options.scales.size() == 1 && options.scales[0] == 1.0 && !options.flip && options.window == 0;
}

// Label maps [N, H, W] of images of one size, from scores [N, H', W', K] of these and what they were padded with.
std::vector<data::LabelMap> BestClasses(const Variable& scores, int height, int width) {
  // Chosen before the padding is cut off: a label map is a small part of the scores, of which there may be gigabytes.
  const Array classes = Crop(Variable(autograd::ArgMax(scores.array(), autograd::kUInt8)), height, width).array();
  std::vector<data::LabelMap> maps;
  for (int64_t i = 0; i < classes.shape()[0]; ++i) {
    maps.emplace_back(height, width);
    maps.back().values = classes.Slice(i, i + 1).ToVector<uint8_t>();
  }
  return maps;
}

}  // namespace

Array Infer(Segmenter& segmenter, const data::Image& image, const data::Normalization& normalization,
            const InferenceOptions& options) {
  const bool probabilities = !OnePass(options) && !options.average_logits;
  Variable sum;
  for (double scale : options.scales) {
    const int height = std::max(1, static_cast<int>(std::lround(image.height * scale)));
    const int width = std::max(1, static_cast<int>(std::lround(image.width * scale)));
    const data::Image resized =
        height == image.height && width == image.width ? image : data::ResizeImage(image, height, width);
    for (const bool mirrored : {false, true}) {
      if (mirrored && !options.flip) continue;
      const data::Image view = mirrored ? Mirrored(resized) : resized;
      Variable scores = options.window > 0 ? SlidingWindows(segmenter, view, normalization, options, probabilities)
                                           : WholeImage(segmenter, view, normalization, probabilities);
      scores = autograd::ResizeBilinear(scores, image.height, image.width);
      if (mirrored) scores = autograd::Flip(scores, 2);
      sum = sum.defined() ? autograd::Add(sum, scores) : scores;
    }
  }
  return sum.array().Reshape({image.height, image.width, segmenter.classes()});
}

data::LabelMap Predict(Segmenter& segmenter, const data::Image& image, const data::Normalization& normalization,
                       const InferenceOptions& options) {
  const Variable scores =
      OnePass(options)
          ? PaddedLogits(segmenter, {image}, normalization)
          : Variable(Infer(segmenter, image, normalization, options).Reshape({1, image.height, image.width, -1}));
  return BestClasses(scores, image.height, image.width)[0];
}

namespace {

// Adds images [begin, end) to `confusion`.
absl::Status EvaluateImages(Segmenter& segmenter, const data::Dataset& dataset, const InferenceOptions& options,
                            int64_t begin, int64_t end, const PredictionVisitor& visitor,
                            seg::ConfusionMatrix& confusion) {
  const data::Normalization normalization(dataset.info());
  std::vector<data::Sample> group;
  auto score = [&]() -> absl::Status {
    if (group.empty()) return absl::OkStatus();
    std::vector<data::LabelMap> predictions;
    if (OnePass(options)) {
      std::vector<data::Image> images;
      for (const data::Sample& sample : group) images.push_back(sample.image);
      predictions = BestClasses(PaddedLogits(segmenter, images, normalization), images[0].height, images[0].width);
    } else {
      for (const data::Sample& sample : group)
        predictions.push_back(Predict(segmenter, sample.image, normalization, options));
    }
    for (size_t i = 0; i < group.size(); ++i) {
      confusion.Add(group[i].label.values, predictions[i].values);
      if (visitor != nullptr) {
        if (absl::Status status = visitor(group[i], predictions[i]); !status.ok()) return status;
      }
    }
    group.clear();
    return absl::OkStatus();
  };
  for (int64_t i = begin; i < end; ++i) {
    absl::StatusOr<data::Sample> sample = dataset.Load(i);
    if (!sample.ok()) return sample.status();
    const int64_t pixels = static_cast<int64_t>(sample->image.height) * sample->image.width;
    const bool fits = group.empty() ||
                      (sample->image.height == group[0].image.height && sample->image.width == group[0].image.width &&
                       static_cast<int64_t>(group.size() + 1) * pixels <= kPixelsPerPass);
    if (!fits) {
      if (absl::Status status = score(); !status.ok()) return status;
    }
    group.push_back(*std::move(sample));
  }
  return score();
}

// counts ← their sum over the ranks, and the error of the first rank that has one.
absl::Status ShareResults(autograd::Collective& collective, const absl::Status& own, std::vector<int64_t>& counts) {
  const autograd::StreamScope on_the_cpu(autograd::Stream::Cpu());
  std::vector<int64_t> values = counts;
  values.resize(counts.size() + collective.world_size());
  if (!own.ok()) values[counts.size() + collective.rank()] = static_cast<int64_t>(own.message().size()) + 1;
  Array sums = Array::From({static_cast<int64_t>(values.size())}, values);
  collective.AllReduceSum(sums);
  values = sums.ToVector<int64_t>();
  std::copy_n(values.begin(), counts.size(), counts.begin());
  const auto failed = std::find_if(values.begin() + counts.size(), values.end(), [](int64_t size) { return size > 0; });
  if (failed == values.end()) return absl::OkStatus();
  std::string message(own.message());
  message.resize(*failed - 1);
  Array bytes = Array::FromHost({*failed - 1}, autograd::kUInt8, message.data());
  collective.Broadcast(bytes, static_cast<int>(failed - values.begin() - counts.size()));
  bytes.CopyToHost(message.data());
  return own.ok() ? absl::AbortedError(message) : own;
}

}  // namespace

absl::StatusOr<Evaluation> Evaluate(Segmenter& segmenter, const data::Dataset& dataset, const InferenceOptions& options,
                                    int64_t limit, const PredictionVisitor& visitor, autograd::Collective* collective) {
  autograd::OperationScope scope("Evaluate");
  const int64_t count = limit > 0 ? std::min(limit, dataset.size()) : dataset.size();
  const int ranks = collective != nullptr ? collective->world_size() : 1, rank = ranks > 1 ? collective->rank() : 0;
  seg::ConfusionMatrix confusion(segmenter.classes());
  absl::Status status;
  for (int64_t begin = rank * kImagesPerTurn; begin < count && status.ok(); begin += ranks * kImagesPerTurn) {
    status =
        EvaluateImages(segmenter, dataset, options, begin, std::min(begin + kImagesPerTurn, count), visitor, confusion);
  }
  if (ranks > 1) status = ShareResults(*collective, status, confusion.counts());
  if (!status.ok()) return status;

  Evaluation evaluation;
  evaluation.iou = confusion.ClassIou();
  evaluation.mean_iou = confusion.MeanIou();
  evaluation.pixel_accuracy = confusion.PixelAccuracy();
  evaluation.class_accuracy = confusion.ClassAccuracy();
  evaluation.images = count;
  return evaluation;
}

}  // namespace experiments
