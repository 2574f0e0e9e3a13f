// Inference against a second one, in double and pixel by pixel, with a network that knows where in its input a pixel lies: a window, a mirror image or
// a border in the wrong place shows.

#include "experiments/runner/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/collective/in_process.h"
#include "autograd/runtime/random.h"
#include "autograd/testing/each_device.h"
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

Scores Network(const Scores& input) {
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

class PositionSegmenter : public Segmenter {
 public:
  Variable Logits(const Variable& images, const nn::Context&, Variable*) override {
    const int count = static_cast<int>(images.shape()[0]), height = static_cast<int>(images.shape()[1]),
              width = static_cast<int>(images.shape()[2]);
    EXPECT_EQ(height % kMultiple + width % kMultiple, 0) << images.shape();
    const std::vector<float> pixels = images.array().ToVector<float>();
    std::vector<float> logits;
    for (int i = 0; i < count; ++i) {
      Scores input(height, width, 3);
      std::copy_n(pixels.begin() + i * input.values.size(), input.values.size(), input.values.begin());
      const Scores result = Network(input);
      logits.insert(logits.end(), result.values.begin(), result.values.end());
    }
    return Variable(Array::From<float>({count, height / kStride, width / kStride, kClasses}, logits));
  }
  nn::ModuleReference module() override { return *this; }
  void Fields(nn::FieldVisitor&) {}
  int SizeMultiple() const override { return kMultiple; }
  int classes() const override { return kClasses; }
  std::string LastLayer() const override { return ""; }
  std::string Description() const override { return "position"; }
  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string&) override {
    return absl::NotFoundError("it has no public weights");
  }
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
  const Scores padded = Resized(Network(input), input.height, input.width);
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
    const int height = static_cast<int>(std::lround(image.height * scale)),
              width = static_cast<int>(std::lround(image.width * scale));
    const data::Image resized = scale == 1 ? image : data::ResizeImage(image, height, width);
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

data::LabelMap Best(const Scores& scores) {
  data::LabelMap best(scores.height, scores.width);
  for (int y = 0; y < scores.height; ++y) {
    for (int x = 0; x < scores.width; ++x) {
      for (int k = 1; k < kClasses; ++k) {
        if (scores.at(y, x, k) > scores.at(y, x, best.Row(y)[x])) best.Row(y)[x] = static_cast<uint8_t>(k);
      }
    }
  }
  return best;
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
      {"Everything", {.scales = {0.75, 1.5}, .flip = true, .window = 32, .average_logits = true}, false},
  };
}

class InferenceTest : public ::testing::TestWithParam<Case> {};

void ExpectTheDefinition(const Case& options, int height, int width) {
  SCOPED_TRACE(absl::StrCat(height, " x ", width));
  PositionSegmenter segmenter;
  const data::Normalization normalization;
  const data::Image image = RandomImage(height, width, 1);
  const Scores expected = Expected(image, normalization, options.options, options.probabilities);
  const Array scores = Infer(segmenter, image, normalization, options.options);
  ASSERT_EQ(scores.shape(), (autograd::Shape{height, width, kClasses}));
  const std::vector<float> values = scores.ToVector<float>();
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(values[i]) - expected.values[i]));
  EXPECT_LT(worst, 1e-5);
  EXPECT_EQ(Predict(segmenter, image, normalization, options.options), Best(expected));
}

TEST_P(InferenceTest, AgreesWithTheDefinition) {
  ExpectTheDefinition(GetParam(), 43, 61);
  ExpectTheDefinition(GetParam(), 40, 64);
  autograd::testing::OnEachDevice([] { ExpectTheDefinition(GetParam(), 7, 30); });
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
  PositionSegmenter segmenter;
  const StripedDataset dataset(11);
  for (const bool flip : {false, true}) {
    for (const int64_t limit : {0, 7}) {
      SCOPED_TRACE(absl::StrCat("flip ", flip, ", limit ", limit));
      const InferenceOptions options{.flip = flip};
      const int64_t count = limit == 0 ? 11 : limit;
      double hits[kClasses] = {}, truth[kClasses] = {}, found[kClasses] = {};
      for (int64_t i = 0; i < count; ++i) {
        const data::Sample sample = dataset.Load(i).value();
        const data::LabelMap best = Best(Expected(sample.image, data::Normalization(dataset.info()), options, flip));
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
        EXPECT_EQ(prediction, Predict(segmenter, sample.image, data::Normalization(dataset.info()), options));
        return absl::OkStatus();
      };
      const absl::StatusOr<Evaluation> evaluation = Evaluate(segmenter, dataset, options, limit, visitor);
      ASSERT_TRUE(evaluation.ok()) << evaluation.status().message();
      EXPECT_EQ(evaluation->images, count);
      double sum = 0;
      for (int k = 0; k < kClasses; ++k) {
        const double iou = hits[k] / (truth[k] + found[k] - hits[k]);
        EXPECT_DOUBLE_EQ(evaluation->iou[k], iou) << k;
        sum += iou;
      }
      EXPECT_NEAR(evaluation->mean_iou, sum / kClasses, 1e-12);
      ASSERT_EQ(static_cast<int64_t>(visited.size()), count);
      for (int64_t i = 0; i < count; ++i) EXPECT_EQ(visited[i], absl::StrCat(i));
    }
  }
}

TEST(EvaluateTest, RanksShareTheImages) {
  PositionSegmenter alone;
  StripedDataset dataset(50);
  const Evaluation expected = Evaluate(alone, dataset, {}).value();
  for (const int ranks : {2, 3}) {
    std::vector<int> visits(50);
    autograd::RunRanks(ranks, [&](autograd::Collective& collective) {
      PositionSegmenter segmenter;
      const auto visitor = [&](const data::Sample& sample, const data::LabelMap&) {
        ++visits[sample.index];  // each by one rank
        return absl::OkStatus();
      };
      const absl::StatusOr<Evaluation> evaluation = Evaluate(segmenter, dataset, {}, 0, visitor, &collective);
      ASSERT_TRUE(evaluation.ok());
      EXPECT_EQ(evaluation->mean_iou, expected.mean_iou);
      EXPECT_EQ(evaluation->iou, expected.iou);
      EXPECT_EQ(evaluation->images, 50);
    });
    EXPECT_EQ(visits, std::vector<int>(50, 1)) << ranks << " ranks";
  }
  dataset.broken = 20;
  autograd::RunRanks(3, [&](autograd::Collective& collective) {
    PositionSegmenter segmenter;
    const absl::Status status = Evaluate(segmenter, dataset, {}, 0, nullptr, &collective).status();
    EXPECT_EQ(status.message(), "image 20 is broken") << "rank " << collective.rank();
  });
}

TEST(EvaluateTest, AnErrorOfTheVisitorEndsIt) {
  PositionSegmenter segmenter;
  const StripedDataset dataset(5);
  const auto visitor = [](const data::Sample& sample, const data::LabelMap&) {
    return sample.index == 3 ? absl::ResourceExhaustedError("the disk is full") : absl::OkStatus();
  };
  EXPECT_EQ(Evaluate(segmenter, dataset, {}, 0, visitor).status().message(), "the disk is full");
}

}  // namespace
}  // namespace experiments
