// Inference against a second one, in double and pixel by pixel, with a network that knows where in its input a pixel
// lies: a window, a mirror image or a border in the wrong place shows.

#include "experiments/runner/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/collective/in_process.h"
#include "autograd/runtime/random.h"
#include "autograd/testing/each_device.h"
#include "autograd/testing/tolerance.h"
#include "data/transforms/resize.h"

namespace experiments {
namespace {

using autograd::Array;
using autograd::Variable;

constexpr int kClasses = 5, kStride = 4, kMultiple = 8;

// Logit k of cell (i, j), of which `colour` is the mean of the input.
double Logit(int k, int i, int j, const double* colour) {
  return 0.8 * colour[k % 3] - 0.5 * colour[(k + 1) % 3] + 0.3 * std::sin(k + i) + 0.2 * std::cos(2 * k + j);
}

struct Scores {
  Scores(int height_value, int width_value, int channels_value)
      : height(height_value),
        width(width_value),
        channels(channels_value),
        values(size_t{1} * height * width * channels) {}
  double& at(int y, int x, int k) { return values[(static_cast<size_t>(y) * width + x) * channels + k]; }
  double at(int y, int x, int k) const { return values[(static_cast<size_t>(y) * width + x) * channels + k]; }
  int height, width, channels;
  std::vector<double> values;
};

Scores LogitsOf(const Scores& input) {
  Scores logits(input.height / kStride, input.width / kStride, kClasses);
  for (int i = 0; i < logits.height; ++i) {
    for (int j = 0; j < logits.width; ++j) {
      double colour[3] = {};
      for (int y = 0; y < kStride; ++y) {
        for (int x = 0; x < kStride; ++x) {
          for (int c = 0; c < 3; ++c) colour[c] += input.at(i * kStride + y, j * kStride + x, c) / (kStride * kStride);
        }
      }
      for (int k = 0; k < kClasses; ++k) logits.at(i, j, k) = Logit(k, i, j, colour);
    }
  }
  return logits;
}

class PositionNetwork : public Network {
 public:
  seg::Features Encode(const Variable& images, const nn::Context&) override {
    passes.push_back(images.shape());
    return {images};
  }
  Variable Decode(const seg::Features& features, const nn::Context&) override {
    const Variable& images = features[0];
    const int count = static_cast<int>(images.shape()[0]), height = static_cast<int>(images.shape()[1]),
              width = static_cast<int>(images.shape()[2]);
    EXPECT_EQ(height % kMultiple + width % kMultiple, 0) << images.shape();
    const std::vector<float> pixels = images.array().ToVector<float>();
    std::vector<float> logits;
    for (int i = 0; i < count; ++i) {
      Scores input(height, width, 3);
      std::copy_n(pixels.begin() + i * input.values.size(), input.values.size(), input.values.begin());
      const Scores result = LogitsOf(input);
      logits.insert(logits.end(), result.values.begin(), result.values.end());
    }
    return Variable(Array::From<float>({count, height / kStride, width / kStride, kClasses}, logits));
  }
  nn::ModuleReference module() override { return *this; }
  void Fields(nn::FieldVisitor&) {}
  std::vector<Variable> Auxiliary(const seg::Features&, const nn::Context&) override { return {}; }
  int size_multiple() const override { return kMultiple; }
  size_t latent_tap() const override { return 0; }
  std::optional<seg::NormExtent> SmallestNorm(int64_t, int64_t) const override { return std::nullopt; }
  std::unique_ptr<Network> Twin() const override { return std::make_unique<PositionNetwork>(); }
  int classes() const override { return kClasses; }
  std::string last_layer() const override { return ""; }
  std::string description() const override { return "position"; }
  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string&) override {
    return absl::NotFoundError("it has no public weights");
  }

  std::vector<autograd::Shape> passes;  // of the images
};

// Bilinear, half-pixel centres.
Scores Resized(const Scores& from, int height, int width) {
  Scores to(height, width, from.channels);
  const auto place = [](int position, int size, int from_size, int& first, int& second) {
    const double at = std::max(0.0, (position + 0.5) * from_size / size - 0.5);
    first = std::min(static_cast<int>(at), from_size - 1);
    second = std::min(first + 1, from_size - 1);
    return at - first;
  };
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      int top, bottom, left, right;
      const double down = place(y, height, from.height, top, bottom), across = place(x, width, from.width, left, right);
      for (int k = 0; k < from.channels; ++k) {
        to.at(y, x, k) = (1 - down) * ((1 - across) * from.at(top, left, k) + across * from.at(top, right, k)) +
                         down * ((1 - across) * from.at(bottom, left, k) + across * from.at(bottom, right, k));
      }
    }
  }
  return to;
}

// Logits or probabilities of the part of `image` at (top, left).
Scores Pass(const data::Image& image, const data::Normalization& normalization, int top, int left, int height,
            int width, bool probabilities) {
  Scores input((height + kMultiple - 1) / kMultiple * kMultiple, (width + kMultiple - 1) / kMultiple * kMultiple, 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        input.at(y, x, c) = (image.Row(top + y)[(left + x) * 3 + c] - static_cast<double>(normalization.mean[c])) /
                            static_cast<double>(normalization.standard_deviation[c]);
      }
    }
  }
  const Scores padded = Resized(LogitsOf(input), input.height, input.width);
  Scores scores(height, width, kClasses);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      double total = 0;
      for (int k = 0; k < kClasses; ++k) total += std::exp(padded.at(y, x, k));
      for (int k = 0; k < kClasses; ++k)
        scores.at(y, x, k) = probabilities ? std::exp(padded.at(y, x, k)) / total : padded.at(y, x, k);
    }
  }
  return scores;
}

// Where windows begin: every `stride`, the last one ends at the border.
std::vector<int> Begins(int size, int window, int stride) {
  std::vector<int> begins;
  for (int begin = 0; begin + window < size; begin += stride) begins.push_back(begin);
  begins.push_back(std::max(0, size - window));
  return begins;
}

Scores Windows(const data::Image& image, const data::Normalization& normalization, int window, int stride,
               bool probabilities) {
  Scores sum(image.height, image.width, kClasses), count(image.height, image.width, 1);
  const int height = std::min(window, image.height), width = std::min(window, image.width);
  for (int top : Begins(image.height, window, stride)) {
    for (int left : Begins(image.width, window, stride)) {
      const Scores part = Pass(image, normalization, top, left, height, width, probabilities);
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          count.at(top + y, left + x, 0) += 1;
          for (int k = 0; k < kClasses; ++k) sum.at(top + y, left + x, k) += part.at(y, x, k);
        }
      }
    }
  }
  for (size_t i = 0; i < sum.values.size(); ++i) sum.values[i] /= count.values[i / kClasses];
  return sum;
}

Scores Expected(const data::Image& image, const data::Normalization& normalization, const InferenceOptions& options,
                bool probabilities) {
  Scores sum(image.height, image.width, kClasses);
  for (double scale : options.scales) {
    const int full_height = options.size.empty() ? image.height : options.size[0],
              full_width = options.size.empty() ? image.width : options.size[1];
    const int height = static_cast<int>(std::lround(full_height * scale)),
              width = static_cast<int>(std::lround(full_width * scale));
    const bool own = height == image.height && width == image.width;
    const data::Image resized = own ? image : data::ResizeImage(image, height, width);
    for (int mirrored = 0; mirrored <= options.flip; ++mirrored) {
      data::Image view = resized;
      for (int y = 0; y < height && mirrored; ++y) {
        for (int x = 0; x < width; ++x) std::copy_n(resized.Row(y) + (width - 1 - x) * 3, 3, view.Row(y) + x * 3);
      }
      const int stride = options.stride > 0 ? options.stride : options.window * 2 / 3;
      const Scores scores =
          Resized(options.window > 0 ? Windows(view, normalization, options.window, stride, probabilities)
                                     : Pass(view, normalization, 0, 0, height, width, probabilities),
                  image.height, image.width);
      for (int y = 0; y < image.height; ++y) {
        for (int x = 0; x < image.width; ++x) {
          for (int k = 0; k < kClasses; ++k) sum.at(y, x, k) += scores.at(y, mirrored ? image.width - 1 - x : x, k);
        }
      }
    }
  }
  return sum;
}

data::Image RandomImage(int height, int width, uint64_t seed) {
  data::Image image(height, width);
  // Smooth enough that resizing keeps something, and different everywhere.
  const auto noise = [&](int index) {
    return autograd::UniformFloat(autograd::Philox(autograd::RandomKey(seed), index).x);
  };
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        image.Row(y)[x * 3 + c] =
            static_cast<uint8_t>(110 + 80 * std::sin(0.3 * x + 2 * c + 6 * noise(c)) * std::cos(0.23 * y + c) +
                                 60 * noise(3 + (y * width + x) * 3 + c));
      }
    }
  }
  return image;
}

// The best class of every pixel; where another comes nearer than rounding either may be it.
void ExpectBest(const data::LabelMap& map, const Scores& scores, double rounding) {
  ASSERT_EQ(map.height, scores.height);
  ASSERT_EQ(map.width, scores.width);
  for (int y = 0; y < scores.height; ++y) {
    for (int x = 0; x < scores.width; ++x) {
      for (int k = 0; k < kClasses; ++k)
        ASSERT_GE(scores.at(y, x, map.Row(y)[x]), scores.at(y, x, k) - 2 * rounding) << y << " " << x;
    }
  }
}

struct Case {
  const char* name;
  InferenceOptions options;
  bool probabilities;
};

std::vector<Case> Cases() {
  return {
      {"OnePass", {}, false},
      {"OnePassOfLogits", {.average_logits = true}, false},
      {"Flip", {.flip = true}, true},
      {"FlipOfLogits", {.flip = true, .average_logits = true}, false},
      {"OneOtherScale", {.scales = {0.5}}, true},
      {"ScalesAndFlip", {.scales = {0.5, 0.75, 1, 1.75}, .flip = true}, true},
      {"Windows", {.window = 24}, true},
      {"WindowsOfLogits", {.window = 24, .average_logits = true}, false},
      {"WindowsThatNeedPadding", {.window = 27, .stride = 11}, true},
      {"WindowsThatDoNotOverlap", {.window = 16, .stride = 16}, true},
      {"WindowLargerThanTheImage", {.window = 200}, true},
      {"WindowWiderThanHigh", {.window = 50}, true},
      {"OtherSize", {.average_logits = true, .size = {24, 40}}, false},
      {"OtherSizeScalesAndFlip", {.scales = {0.5, 1.25}, .flip = true, .size = {40, 24}}, true},
      {"Everything", {.scales = {0.75, 1.5}, .flip = true, .window = 32, .average_logits = true}, false},
  };
}

// Evaluate with a scorer of its own.
absl::StatusOr<Evaluation> Evaluated(experiments::Network& network, const data::Dataset& dataset,
                                     const InferenceOptions& options, const EvaluationRun& run = {}) {
  Scorer scorer(kClasses);
  return Evaluate(network, dataset, options, scorer, run);
}

double MeanIou(const Evaluation& evaluation) { return FindScore(evaluation.scores, "mIoU")->value; }

class InferenceTest : public ::testing::TestWithParam<Case> {};

void ExpectTheDefinition(const Case& options, int height, int width) {
  SCOPED_TRACE(absl::StrCat(height, " x ", width));
  PositionNetwork network;
  const data::Normalization normalization;
  const data::Image image = RandomImage(height, width, 1);
  const Scores expected = Expected(image, normalization, options.options, options.probabilities);
  const Array scores = Infer(network, image, normalization, options.options);
  ASSERT_EQ(scores.shape(), (autograd::Shape{height, width, kClasses}));
  const std::vector<float> values = scores.ToVector<float>();
  double worst = 0, largest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(values[i]) - expected.values[i]));
    largest = std::max(largest, std::abs(expected.values[i]));
  }
  // In float32: a place in the image, below 64 pixels, is rounded, so a weight in each of two resizings is off by 64
  // unit roundoffs; the weighted sums, the softmax and the sum over eight views and some windows are some forty
  // roundings.
  const double rounding = (2 * 64 + 40) * autograd::testing::UnitRoundoff(autograd::kFloat32) * largest;
  EXPECT_LT(worst, rounding);
  ExpectBest(Predict(network, image, normalization, options.options), expected, rounding);
}

TEST_P(InferenceTest, AgreesWithTheDefinition) {
  ExpectTheDefinition(GetParam(), 43, 61);
  ExpectTheDefinition(GetParam(), 40, 64);
  autograd::testing::OnEachDevice([] {
    ExpectTheDefinition(GetParam(), 7, 30);
    ExpectTheDefinition(GetParam(), 29, 26);
  });
}

// Windows of which only some fit a pass.
TEST(InferenceTest, WindowsOfSeveralPasses) {
  ExpectTheDefinition({"", {.window = 300}, true}, 310, 700);
  PositionNetwork network;
  Infer(network, RandomImage(310, 700, 1), {}, {.window = 300});
  int64_t windows = 0;
  for (const autograd::Shape& pass : network.passes) {
    EXPECT_LE(pass[0], 2) << pass;  // 3 of 300 x 300 are more than 2^18 pixels
    windows += pass[0];
  }
  EXPECT_EQ(windows, 6);
  EXPECT_EQ(network.passes.size(), 3u);
}

TEST(InferenceTest, WindowsGoTogether) {
  PositionNetwork network;
  Infer(network, RandomImage(43, 61, 1), {}, {.window = 24});
  EXPECT_EQ(network.passes, (std::vector<autograd::Shape>{{12, 24, 24, 3}}));
}

// The mirrored image's scores are those of the image's mirrored classes: here 0 is its own, 1 and 3, 2 and 4 change
// places. The average with the mirrored image is then that of two passes put together by hand.
TEST(InferenceTest, MirroredClassesChangePlaces) {
  const std::vector<uint8_t> mirrored = {0, 3, 4, 1, 2};
  PositionNetwork network;
  const data::Normalization normalization;
  const data::Image image = RandomImage(29, 26, 4);
  data::Image turned = image;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) std::copy_n(image.Row(y) + (25 - x) * 3, 3, turned.Row(y) + x * 3);
  }
  for (const bool logits : {false, true}) {
    const Scores plain = Pass(image, normalization, 0, 0, 29, 26, !logits),
                 other = Pass(turned, normalization, 0, 0, 29, 26, !logits);
    const Array scores =
        Infer(network, image, normalization, {.flip = true, .average_logits = logits, .mirrored_classes = mirrored});
    const std::vector<float> values = scores.ToVector<float>();
    for (int y = 0, i = 0; y < 29; ++y) {
      for (int x = 0; x < 26; ++x) {
        for (int k = 0; k < kClasses; ++k, ++i)
          ASSERT_NEAR(values[i], plain.at(y, x, k) + other.at(y, 25 - x, mirrored[k]), 1e-4) << y << " " << x;
      }
    }
  }
  EXPECT_THROW(Infer(network, image, normalization, {.flip = true, .mirrored_classes = {1, 0}}), autograd::Error);
}

INSTANTIATE_TEST_SUITE_P(Inference, InferenceTest, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return std::string(info.param.name); });

// Images of two sizes, in turns of three, with a stripe of void.
class StripedDataset : public data::Dataset {
 public:
  explicit StripedDataset(int64_t size) : size_(size) {
    for (int k = 0; k < kClasses; ++k) info_.class_names.push_back(absl::StrCat("class ", k));
  }
  const data::DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return size_; }
  absl::StatusOr<data::Sample> Load(int64_t index) const override {
    if (index == broken) return absl::DataLossError(absl::StrCat("image ", index, " is broken"));
    data::Sample sample;
    sample.image = index / 3 % 2 == 0 ? RandomImage(20, 24, index) : RandomImage(17, 31, index);
    sample.label = data::LabelMap(sample.image.height, sample.image.width);
    for (size_t i = 0; i < sample.label.values.size(); ++i)
      sample.label.values[i] = i % 7 == 0 ? data::kVoidLabel : static_cast<uint8_t>((i / 5 + index) % kClasses);
    sample.id = absl::StrCat(index);
    sample.index = index;
    return sample;
  }

  int64_t broken = -1;

 private:
  const int64_t size_;
  data::DatasetInfo info_;
};

TEST(EvaluateTest, CountsEveryPixelOnce) {
  PositionNetwork network;
  const StripedDataset dataset(11);
  for (const bool flip : {false, true}) {
    for (const int64_t limit : {0, 7}) {
      SCOPED_TRACE(absl::StrCat("flip ", flip, ", limit ", limit));
      const InferenceOptions options{.flip = flip};
      const int64_t count = limit == 0 ? 11 : limit;
      double hits[kClasses] = {}, truth[kClasses] = {}, found[kClasses] = {};
      for (int64_t i = 0; i < count; ++i) {
        const data::Sample sample = dataset.Load(i).value();
        const data::LabelMap best = Predict(network, sample.image, data::Normalization(dataset.info()), options);
        for (size_t p = 0; p < best.values.size(); ++p) {
          const uint8_t label = sample.label.values[p];
          if (label == data::kVoidLabel) continue;
          hits[label] += label == best.values[p];
          truth[label] += 1;
          found[best.values[p]] += 1;
        }
      }
      std::vector<std::string> visited;
      const auto visitor = [&](const data::Sample& sample, const data::LabelMap& prediction) {
        visited.push_back(sample.id);
        EXPECT_EQ(prediction, Predict(network, sample.image, data::Normalization(dataset.info()), options));
        return absl::OkStatus();
      };
      const absl::StatusOr<Evaluation> evaluation =
          Evaluated(network, dataset, options, {.limit = limit, .visitor = visitor});
      ASSERT_TRUE(evaluation.ok()) << evaluation.status().message();
      EXPECT_EQ(evaluation->images, count);
      double sum = 0;
      for (int k = 0; k < kClasses; ++k) {
        const double iou = hits[k] / (truth[k] + found[k] - hits[k]);
        EXPECT_DOUBLE_EQ(evaluation->confusion.ClassIou()[k], iou) << k;
        sum += iou;
      }
      EXPECT_NEAR(MeanIou(*evaluation), sum / kClasses, 1e-12);
      ASSERT_EQ(static_cast<int64_t>(visited.size()), count);
      for (int64_t i = 0; i < count; ++i) EXPECT_EQ(visited[i], absl::StrCat(i));
    }
  }
}

TEST(EvaluateTest, ImagesOfOneSizeGoTogether) {
  const StripedDataset dataset(18);  // sizes change after every third image, and ranks take turns by 16
  for (const bool flip : {false, true}) {
    for (const int window : {0, 16}) {
      PositionNetwork network;
      ASSERT_TRUE(Evaluated(network, dataset, {.flip = flip, .window = window}).ok());
      // By turns, 20 x 24 pixels, of 2 x 2 windows of 16 with a stride of 10, and 17 x 31, of 2 x 3.
      std::vector<int64_t> expected, found;
      const int64_t images[] = {3, 3, 3, 3, 3, 1, 2}, windows[] = {4, 6, 4, 6, 4, 6, 6};
      for (int i = 0; i < 7; ++i) {
        for (int mirrored = 0; mirrored <= flip; ++mirrored)
          expected.push_back(images[i] * (window == 0 ? 1 : windows[i]));
      }
      for (const autograd::Shape& pass : network.passes) found.push_back(pass[0]);
      EXPECT_EQ(found, expected) << "flip " << flip << ", window " << window;
    }
  }
}

TEST(EvaluateTest, ReadingAheadChangesNothing) {
  PositionNetwork network;
  StripedDataset dataset(50);
  const Evaluation expected = Evaluated(network, dataset, {}).value();
  for (const int threads : {2, 5}) {
    const Evaluation evaluation = Evaluated(network, dataset, {}, {.reader_threads = threads}).value();
    EXPECT_EQ(evaluation.confusion.counts(), expected.confusion.counts());
  }
  // The images before a broken one are visited, but for those that wait for it to fill their pass.
  dataset.broken = 20;
  std::vector<int64_t> visited;
  const auto visitor = [&](const data::Sample& sample, const data::LabelMap&) {
    visited.push_back(sample.index);
    return absl::OkStatus();
  };
  EXPECT_EQ(Evaluated(network, dataset, {}, {.reader_threads = 3, .visitor = visitor}).status(),
            absl::DataLossError("image 20 is broken"));
  std::vector<int64_t> before(18);
  std::iota(before.begin(), before.end(), 0);
  EXPECT_EQ(visited, before);
}

TEST(EvaluateTest, StopsBetweenPasses) {
  const StripedDataset dataset(9);
  for (const InferenceOptions& options :
       {InferenceOptions{}, InferenceOptions{.flip = true}, InferenceOptions{.scales = {0.5, 1}, .window = 8}}) {
    PositionNetwork all;
    ASSERT_TRUE(Evaluated(all, dataset, options, {.stop = [] { return false; }}).ok());
    const size_t passes = all.passes.size();
    ASSERT_GE(passes, 3u);
    for (size_t allowed = 0; allowed < passes; ++allowed) {
      PositionNetwork network;
      const auto stop = [&] { return network.passes.size() == allowed; };
      const absl::Status status = Evaluated(network, dataset, options, {.stop = stop}).status();
      EXPECT_EQ(status, absl::CancelledError("the evaluation was stopped"));
      EXPECT_EQ(network.passes.size(), allowed);
    }
  }
}

TEST(EvaluateTest, OneStoppedRankCancelsAll) {
  const StripedDataset dataset(50);
  autograd::RunRanks(3, [&](autograd::Collective& collective) {
    PositionNetwork network;
    const auto stop = [&] { return collective.rank() == 1; };
    EXPECT_EQ(Evaluated(network, dataset, {}, {.collective = &collective, .stop = stop}).status(),
              absl::CancelledError("the evaluation was stopped"))
        << "rank " << collective.rank();
  });
}

TEST(EvaluateTest, RanksShareTheImages) {
  PositionNetwork alone;
  StripedDataset dataset(50);
  const Evaluation expected = Evaluated(alone, dataset, {}).value();
  for (const int ranks : {2, 3}) {
    std::vector<int> visits(50);
    autograd::RunRanks(ranks, [&](autograd::Collective& collective) {
      PositionNetwork network;
      const auto visitor = [&](const data::Sample& sample, const data::LabelMap&) {
        ++visits[sample.index];  // each by one rank
        return absl::OkStatus();
      };
      const absl::StatusOr<Evaluation> evaluation =
          Evaluated(network, dataset, {}, {.visitor = visitor, .collective = &collective});
      ASSERT_TRUE(evaluation.ok());
      EXPECT_EQ(MeanIou(*evaluation), MeanIou(expected));
      EXPECT_EQ(evaluation->confusion.counts(), expected.confusion.counts());
      EXPECT_EQ(evaluation->images, 50);
    });
    EXPECT_EQ(visits, std::vector<int>(50, 1)) << ranks << " ranks";
  }
  dataset.broken = 20;
  autograd::RunRanks(3, [&](autograd::Collective& collective) {
    PositionNetwork network;
    const absl::Status status = Evaluated(network, dataset, {}, {.collective = &collective}).status();
    EXPECT_EQ(status, absl::DataLossError("image 20 is broken")) << "rank " << collective.rank();
  });
}

TEST(EvaluateTest, AnErrorOfTheVisitorEndsIt) {
  PositionNetwork network;
  const StripedDataset dataset(5);
  const auto visitor = [](const data::Sample& sample, const data::LabelMap&) {
    return sample.index == 3 ? absl::ResourceExhaustedError("the disk is full") : absl::OkStatus();
  };
  EXPECT_EQ(Evaluated(network, dataset, {}, {.visitor = visitor}).status().message(), "the disk is full");
}

}  // namespace
}  // namespace experiments
