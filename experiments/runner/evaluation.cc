#include "experiments/runner/evaluation.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "autograd/core/array_kernels.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/resize.h"
#include "autograd/ops/resized_arg_max.h"
#include "autograd/ops/sliding_windows.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/transpose.h"
#include "autograd/runtime/allocator.h"
#include "autograd/runtime/parallel.h"
#include "data/loaders/sample_reader.h"
#include "data/transforms/resize.h"
#include "nn/layers/evaluation_scope.h"
#include "seg/metrics/confusion_matrix.h"

namespace experiments {
namespace {

using autograd::Array;
using autograd::Variable;

// Enough for a batch to fill the cores, small enough for the memory of a large image's decoder.
constexpr int64_t kPixelsPerPass = 1 << 18;

// Ranks take turns by so many images, and none of them is passed through the network with one of another turn: how many
// there are in a pass may change a prediction's last bits, and must not depend on the number of ranks.
constexpr int64_t kImagesPerTurn = 16;

// Samples that are read before they are asked for: a turn of small images may go through the network in one pass. A
// pixel of a sample is 4 bytes, so that what is read ahead is no more than the scores of 16 classes are for one such
// image.
constexpr int kReadAhead = kImagesPerTurn;

using Images = std::span<const data::Image* const>;  // of one size

// How many images or windows of a size go through the network together.
int64_t CountPerPass(int height, int width) {
  return std::max<int64_t>(1, kPixelsPerPass / (static_cast<int64_t>(height) * width));
}

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

// Where windows begin along one axis: every `stride`, the last one ends at the border.
std::vector<int> WindowBegins(int size, int window, int stride) {
  std::vector<int> begins;
  for (int begin = 0; begin < size - window; begin += stride) begins.push_back(begin);
  begins.push_back(size - window);
  return begins;
}

bool OnePass(const InferenceOptions& options) {
  return options.scales.size() == 1 && options.scales[0] == 1.0 && !options.flip && options.window == 0 &&
         options.size.empty();
}

// Label maps of images of one size from the best classes [N, H', W'] of these and what they were padded with.
std::vector<data::LabelMap> LabelMaps(const Array& best, int height, int width) {
  const Array classes = Crop(Variable(best), height, width).array();
  std::vector<data::LabelMap> maps;
  for (int64_t i = 0; i < classes.shape()[0]; ++i) {
    maps.emplace_back(height, width);
    maps.back().values = classes.Slice(i, i + 1).ToVector<uint8_t>();
  }
  return maps;
}

// Images of one size through a network.
class Inference {
 public:
  Inference(Network& network, const data::Normalization& normalization, const InferenceOptions& options,
            std::function<bool()> stop = nullptr)
      : network_(network), normalization_(normalization), options_(options), stop_(std::move(stop)) {
    autograd::Require(options.size.empty() || options.size.size() == 2, "Infer", "a size of ", options.size.size(),
                      " numbers, and it is height and width");
  }

  // Scores [N, H, W, K] at the images' own size.
  absl::StatusOr<Variable> Scores(Images images) const {
    const int height = images[0]->height, width = images[0]->width;
    const bool one_view = options_.scales.size() == 1 && !options_.flip;
    Array sums;
    for (const double scale : options_.scales) {
      const int full_height = options_.size.empty() ? height : options_.size[0],
                full_width = options_.size.empty() ? width : options_.size[1];
      const int scaled_height = std::max(1, static_cast<int>(std::lround(full_height * scale))),
                scaled_width = std::max(1, static_cast<int>(std::lround(full_width * scale)));
      for (const bool mirrored : {false, true}) {
        if (mirrored && !options_.flip) continue;
        const int64_t count = static_cast<int64_t>(images.size()), at_once = CountPerPass(scaled_height, scaled_width);
        for (int64_t begin = 0; begin < count; begin += at_once) {
          const int64_t end = std::min(begin + at_once, count);
          const absl::StatusOr<Variable> view =
              ScoresOfViews(images.subspan(begin, end - begin), scaled_height, scaled_width, mirrored);
          if (!view.ok()) return view.status();
          Variable scores = autograd::ResizeBilinear(*view, height, width);
          if (mirrored) scores = OfMirroredClasses(autograd::Flip(scores, 2));
          if (one_view && end - begin == count) return scores;
          if (!sums.defined()) sums = Array::Zeros({count, height, width, network_.classes()}, scores.dtype());
          Array part = sums.Slice(begin, end);
          autograd::kernels::Accumulate(autograd::Stream::Current(), scores.array(), part);
        }
      }
    }
    return Variable(sums);
  }

  absl::StatusOr<std::vector<data::LabelMap>> Predictions(Images images) const {
    const int height = images[0]->height, width = images[0]->width;
    if (OnePass(options_)) {
      // Without scores at the images' size, which would be gigabytes for large ones.
      const absl::StatusOr<Variable> logits = SmallLogits(images, WholeImages(images), height, width);
      if (!logits.ok()) return logits.status();
      const Array best = autograd::ResizedArgMax(logits->array(), RoundUp(height, network_.size_multiple()),
                                                 RoundUp(width, network_.size_multiple()), autograd::kUInt8);
      return LabelMaps(best, height, width);
    }
    const absl::StatusOr<Variable> scores = Scores(images);
    if (!scores.ok()) return scores.status();
    return LabelMaps(autograd::ArgMax(scores->array(), autograd::kUInt8), height, width);
  }

 private:
  using Places = std::vector<autograd::WindowPlace>;

  static Places WholeImages(Images images) {
    Places places;
    for (size_t i = 0; i < images.size(); ++i) places.push_back({.image = static_cast<int64_t>(i)});
    return places;
  }

  // The network's own logits of parts of images, padded to what it takes: [parts, h, w, K].
  absl::StatusOr<Variable> SmallLogits(Images images, std::span<const autograd::WindowPlace> parts, int height,
                                       int width) const {
    if (stop_ != nullptr && stop_()) return absl::CancelledError("the evaluation was stopped");
    const int padded_height = RoundUp(height, network_.size_multiple()),
              padded_width = RoundUp(width, network_.size_multiple());
    const int64_t count = static_cast<int64_t>(parts.size()), size = int64_t{3} * padded_height * padded_width;
    const auto input = std::make_unique_for_overwrite<float[]>(count * size);
    autograd::ParallelFor(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto normalize = [&](const data::Image& part) {
          data::NormalizeInto(part, normalization_, padded_height, padded_width, input.get() + i * size);
        };
        const data::Image& image = *images[parts[i].image];
        if (image.height == height && image.width == width) {
          normalize(image);
        } else {
          normalize(
              data::CropImage(image, {static_cast<int>(parts[i].top), static_cast<int>(parts[i].left), height, width}));
        }
      }
    });
    const Variable x(Array::FromHost({count, padded_height, padded_width, 3}, autograd::kFloat32, input.get()));
    return network_.Logits(x, nn::Context());
  }

  // The same at the size of the padded parts: [parts, H', W', K].
  absl::StatusOr<Variable> PaddedLogits(Images images, std::span<const autograd::WindowPlace> parts, int height,
                                        int width) const {
    const absl::StatusOr<Variable> logits = SmallLogits(images, parts, height, width);
    if (!logits.ok()) return logits.status();
    return autograd::ResizeBilinear(*logits, RoundUp(height, network_.size_multiple()),
                                    RoundUp(width, network_.size_multiple()));
  }

  // Scores [N, height, width, K] of the images resized and mirrored.
  absl::StatusOr<Variable> ScoresOfViews(Images images, int height, int width, bool mirrored) const {
    const bool resized = height != images[0]->height || width != images[0]->width;
    if (!resized && !mirrored) return ScoresOfImages(images);
    std::vector<data::Image> views(images.size());
    autograd::ParallelFor(static_cast<int64_t>(images.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if (resized) views[i] = data::ResizeImage(*images[i], height, width);
        if (mirrored) views[i] = Mirrored(resized ? views[i] : *images[i]);
      }
    });
    std::vector<const data::Image*> pointers;
    for (const data::Image& view : views) pointers.push_back(&view);
    return ScoresOfImages(pointers);
  }

  // Scores [N, H, W, K] as they are: of the whole images, or the mean over windows.
  absl::StatusOr<Variable> ScoresOfImages(Images images) const {
    const int height = images[0]->height, width = images[0]->width;
    const int window = options_.window, stride = options_.stride > 0 ? options_.stride : std::max(1, window * 2 / 3);
    if (window == 0 || (window >= height && window >= width)) {
      const absl::StatusOr<Variable> logits = PaddedLogits(images, WholeImages(images), height, width);
      if (!logits.ok()) return logits.status();
      return Crop(Averaged(*logits), height, width);
    }
    const int window_height = std::min(window, height), window_width = std::min(window, width);
    Places places;
    for (size_t i = 0; i < images.size(); ++i) {
      for (const int top : WindowBegins(height, window_height, stride)) {
        for (const int left : WindowBegins(width, window_width, stride))
          places.push_back({static_cast<int64_t>(i), top, left});
      }
    }
    const int64_t count = static_cast<int64_t>(images.size()), parts = static_cast<int64_t>(places.size()),
                  at_once = CountPerPass(window_height, window_width);
    Array sums = Array::Zeros({count, height, width, network_.classes()}, autograd::kFloat32);
    Array coverage = Array::Zeros({count, height, width}, autograd::kInt32);
    for (int64_t begin = 0; begin < parts; begin += at_once) {
      const Places some(places.begin() + begin, places.begin() + std::min(begin + at_once, parts));
      const absl::StatusOr<Variable> logits = PaddedLogits(images, some, window_height, window_width);
      if (!logits.ok()) return logits.status();
      autograd::AddWindows(Averaged(*logits).array(), some, window_height, window_width, sums, coverage);
    }
    autograd::DivideByCoverage(coverage, sums);
    return Variable(sums);
  }

  // Scores [N, H, W, K] of a mirrored image, in the order of the classes of the image itself.
  Variable OfMirroredClasses(const Variable& scores) const {
    const std::vector<uint8_t>& order = options_.mirrored_classes;
    if (order.empty()) return scores;
    autograd::Require(static_cast<int64_t>(order.size()) == scores.shape()[3], "Infer", order.size(),
                      " mirrored classes for scores ", scores.shape());
    // Runs of neighbours stay together.
    std::vector<Variable> parts;
    for (size_t begin = 0, end; begin < order.size(); begin = end) {
      for (end = begin + 1; end < order.size() && order[end] == order[end - 1] + 1; ++end) {
      }
      parts.push_back(autograd::Slice(scores, 3, order[begin], order[end - 1] + 1));
    }
    return autograd::Concatenate(parts, 3);
  }

  // What is averaged over windows and views.
  Variable Averaged(const Variable& logits) const {
    return OnePass(options_) || options_.average_logits ? logits : autograd::Softmax(logits);
  }

  Network& network_;
  const data::Normalization& normalization_;
  const InferenceOptions& options_;
  const std::function<bool()> stop_;
};

}  // namespace

void InferenceOptions::Settings(SettingVisitor& visitor) {
  visitor.Group("Inference");
  visitor.Setting("test_scales", scales, "shares of the image's size", Bounds{0, 8, true});
  visitor.Setting("flip", flip, "average with the mirrored image");
  visitor.Setting("window", window, "side of sliding windows; 0: whole images", AtLeast(0));
  visitor.Setting("stride", stride, "between windows; 0: two thirds of the window", AtLeast(0));
  visitor.Setting("test_size", size, "height,width to which images are resized before the scales; empty: their own",
                  AtLeast(1));
  visitor.Setting("average_logits", average_logits, "average logits (iSeg), not probabilities (mmsegmentation)");
}

Array Infer(Network& network, const data::Image& image, const data::Normalization& normalization,
            const InferenceOptions& options) {
  const data::Image* const images[] = {&image};
  const nn::EvaluationScope scope;
  const Inference inference(network, normalization, options);
  const Variable scores = inference.Scores(images).value();
  return scores.array().Reshape({image.height, image.width, network.classes()});
}

data::LabelMap Predict(Network& network, const data::Image& image, const data::Normalization& normalization,
                       const InferenceOptions& options) {
  const data::Image* const images[] = {&image};
  const nn::EvaluationScope scope;
  return Inference(network, normalization, options).Predictions(images).value()[0];
}

namespace {

// Adds the samples with these indices, a list of whole turns, to `scorer`.
absl::Status EvaluateSamples(Network& network, const data::Dataset& dataset, const InferenceOptions& options,
                             const EvaluationRun& run, std::vector<int64_t> indices, Scorer& scorer) {
  const data::Normalization normalization(dataset.info());
  const nn::EvaluationScope scope;
  const Inference inference(network, normalization, options, run.stop);
  std::vector<data::Sample> group;
  const auto score = [&]() -> absl::Status {
    std::vector<const data::Image*> images;
    for (const data::Sample& sample : group) images.push_back(&sample.image);
    const absl::StatusOr<std::vector<data::LabelMap>> predictions = inference.Predictions(images);
    if (!predictions.ok()) return predictions.status();
    for (size_t i = 0; i < group.size(); ++i) {
      scorer.Add(group[i], (*predictions)[i]);
      if (run.visitor != nullptr) {
        if (absl::Status status = run.visitor(group[i], (*predictions)[i]); !status.ok()) return status;
      }
    }
    group.clear();
    return absl::OkStatus();
  };
  data::SampleReader reader(&dataset, {.threads = run.reader_threads, .ahead = kReadAhead}, std::move(indices));
  for (int64_t position = 0; reader.remaining() > 0; ++position) {
    absl::StatusOr<data::Sample> sample = reader.Next();
    if (!sample.ok()) return sample.status();
    const data::Image& image = sample->image;
    if (!group.empty() && (position % kImagesPerTurn == 0 || image.height != group[0].image.height ||
                           image.width != group[0].image.width ||
                           static_cast<int64_t>(group.size()) == CountPerPass(image.height, image.width))) {
      if (absl::Status status = score(); !status.ok()) return status;
    }
    group.push_back(*std::move(sample));
  }
  return group.empty() ? absl::OkStatus() : score();
}

// The error of the first rank that has one, on every rank.
absl::Status ShareError(autograd::Collective& collective, const absl::Status& own) {
  const autograd::StreamScope on_the_cpu(autograd::Stream::Cpu());
  const int64_t ranks = collective.world_size(), rank = collective.rank();
  Array reports = [&] {
    std::vector<int64_t> values(2 * ranks);  // by rank: the code, and the size of the message
    values[2 * rank] = own.raw_code();
    values[2 * rank + 1] = static_cast<int64_t>(own.message().size());
    return Array::From({ranks, 2}, values);
  }();
  collective.AllReduceSum(reports);
  const std::vector<int64_t> all = reports.ToVector<int64_t>();
  int64_t failed = 0;
  while (failed < ranks && all[2 * failed] == 0) ++failed;
  if (failed == ranks) return absl::OkStatus();
  std::string message(own.message());
  message.resize(all[2 * failed + 1]);
  Array bytes = Array::FromHost({all[2 * failed + 1]}, autograd::kUInt8, message.data());
  collective.Broadcast(bytes, static_cast<int>(failed));
  bytes.CopyToHost(message.data());
  return failed == rank ? own : absl::Status(static_cast<absl::StatusCode>(all[2 * failed]), message);
}

}  // namespace

absl::StatusOr<Evaluation> Evaluate(Network& network, const data::Dataset& dataset, const InferenceOptions& options,
                                    Scorer& scorer, const EvaluationRun& run) {
  autograd::OperationScope scope("Evaluate");
  const int64_t count = run.limit > 0 ? std::min(run.limit, dataset.size()) : dataset.size();
  const int ranks = run.collective != nullptr ? run.collective->world_size() : 1,
            rank = ranks > 1 ? run.collective->rank() : 0;
  std::vector<int64_t> indices;
  for (int64_t begin = rank * kImagesPerTurn; begin < count; begin += ranks * kImagesPerTurn) {
    for (int64_t i = begin; i < std::min(begin + kImagesPerTurn, count); ++i) indices.push_back(i);
  }
  absl::Status status = EvaluateSamples(network, dataset, options, run, std::move(indices), scorer);
  if (ranks > 1) status = ShareError(*run.collective, status);
  if (!status.ok()) return status;
  if (ranks > 1) scorer.Share(*run.collective);
  return Evaluation{scorer.Scores(), scorer.confusion(), count};
}

}  // namespace experiments
