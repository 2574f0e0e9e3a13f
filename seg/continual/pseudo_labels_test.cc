#include "seg/continual/pseudo_labels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "autograd/collective/in_process.h"
#include "autograd/testing/each_device.h"
#include "autograd/testing/emulator/emulator.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Shape;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;
using enum EntropyReading;

Array RandomLabels(const Shape& shape, const std::vector<uint8_t>& values, uint64_t seed) {
  std::vector<uint8_t> labels(shape.size());
  for (size_t i = 0; i < labels.size(); ++i)
    labels[i] = values[autograd::UniformBelow(autograd::Philox(RandomKey(seed), i).x, values.size())];
  return Array::From(shape, labels);
}

// Σ over the classes by the formulas of the header.
double EntropyByHand(const double* logits, int64_t classes, EntropyReading reading, int seen) {
  double sum = 0, u = 0;
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(logits[c]);
  const double count = static_cast<double>(classes);
  for (int64_t c = 0; c < classes; ++c) {
    const double q = std::exp(logits[c]) / sum;
    u -= reading == kPaper ? q * std::log(q)
                           : q * std::log(q + 1e-8) / count / std::log(count) / std::log(static_cast<double>(seen));
  }
  return u;
}

TEST(EntropyOf, IsTheFormulaByHand) {
  for (const int64_t classes : {2, 11, 16, 101, 200}) {
    const Array logits = RandomArray({2, 7, 9, classes}, autograd::kFloat64, RandomKey(classes), -8, 8);
    const std::vector<double> values = logits.ToVector<double>();
    std::vector<float> narrow(values.begin(), values.end());
    autograd::testing::OnEachDevice([&] {
      autograd::Stream& here = autograd::Stream::Current();
      for (const EntropyReading reading : {kPaper, kReleasedCode}) {
        const double count = static_cast<double>(classes),
                     scale = reading == kPaper ? 1 : 1 / (count * std::log(count) * std::log(205.0));
        const PixelEntropies pixels = EntropyOf(logits.To(here), reading, 205);
        const PixelEntropies of_floats = EntropyOf(Array::From(logits.shape(), narrow), reading, 205);
        const std::vector<float> u = pixels.entropy.ToVector<float>(), v = of_floats.entropy.ToVector<float>();
        const std::vector<uint8_t> predictions = pixels.prediction.ToVector<uint8_t>();
        for (size_t i = 0; i < u.size(); ++i) {
          const double* const row = values.data() + i * classes;
          const double expected = EntropyByHand(row, classes, reading, 205);
          EXPECT_NEAR(u[i], expected, 1e-7 * expected);  // rounded to float32 once
          // Float32 logits are off by δ ≤ 4·2^−24·2, which moves the entropy by Σ q·|log q + H|·δ ≤ 2·log(200)·δ; the
          // roundings of the sum, of probabilities near 1 and of their logarithms are of the same order.
          EXPECT_NEAR(v[i], expected, 1e-5 * scale);
          EXPECT_EQ(predictions[i], std::max_element(row, row + classes) - row);
        }
      }
    });
  }
}

TEST(EntropyOf, OfCertainAndOfUndecidedPixels) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Array logits = Array::From<float>(
      {1, 1, 4, 4}, {0, 0, 0, 0, 9, 9, -infinity, -infinity, -100, -100, -100, 100, -1, 3, 3, 3 - 1e-6f});
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    const PixelEntropies paper = EntropyOf(logits.To(here), kPaper, 4),
                         code = EntropyOf(logits.To(here), kReleasedCode, 5);
    const std::vector<float> u = paper.entropy.ToVector<float>(), v = code.entropy.ToVector<float>();
    EXPECT_FLOAT_EQ(u[0], std::log(4.0f));
    EXPECT_FLOAT_EQ(u[1], std::log(2.0f));
    EXPECT_EQ(u[2], 0);
    // 1 / (C_old·log C_seen), half of it, 0: 10^−8 beside the probabilities is lost or as good as.
    EXPECT_NEAR(v[0], 1 / (4 * std::log(5.0)), 1e-7);
    EXPECT_NEAR(v[1], 0.5 / (4 * std::log(5.0)), 1e-7);
    EXPECT_NEAR(v[2], 0, 1e-7);
    EXPECT_EQ(paper.prediction.ToVector<uint8_t>(), (std::vector<uint8_t>{0, 0, 3, 1}));
    EXPECT_EQ(code.prediction.ToVector<uint8_t>(), (std::vector<uint8_t>{0, 0, 3, 1}));
  });
}

// The ranges of the released entropies that make its thresholds what they are: VOC 15-1 and ADE20K 100-50, first steps.
TEST(EntropyOf, RangeOfTheReleasedOne) {
  EXPECT_NEAR(EntropyOf(Array::Zeros({1, 1, 1, 16}, autograd::kFloat32), kReleasedCode, 17).entropy.Item(), 0.022,
              5e-4);
  EXPECT_NEAR(EntropyOf(Array::Zeros({1, 1, 1, 101}, autograd::kFloat32), kReleasedCode, 151).entropy.Item(), 0.0020,
              5e-5);
}

std::vector<int64_t> FirstBins(std::vector<int64_t> counts, int64_t times = 1) {
  counts.resize(EntropyBins::kReleased);
  for (int64_t& count : counts) count *= times;
  return counts;
}

TEST(ReleasedThreshold, WorkedExamples) {
  EXPECT_NEAR(ReleasedThreshold(FirstBins({600, 300, 100})), 0.00833, 5e-6);
  EXPECT_NEAR(ReleasedThreshold(FirstBins({400, 500, 100})), 0.0200, 5e-6);
  EXPECT_EQ(ReleasedThreshold(FirstBins({300, 300, 400})), 0.001);
  EXPECT_EQ(ReleasedThreshold(FirstBins({300, 300, 400}, 10000)), std::numeric_limits<double>::infinity());
  EXPECT_EQ(ReleasedThreshold(FirstBins({1000})), 0.005);              // on ADE20K
  EXPECT_EQ(ReleasedThreshold(FirstBins({0})), 0.001);                 // a class that is never predicted
  EXPECT_EQ(ReleasedThreshold(FirstBins({3300, 3300, 3300})), 0.001);  // half is the sum of the bins' numbers: 0/0
}

// Of a paper's histogram with these entropies.
std::vector<int64_t> Histogram(const std::vector<float>& entropies) {
  std::vector<int64_t> counts(EntropyBins::kPaper);
  for (const float u : entropies) ++counts[EntropyBins::Of(kPaper, u)];
  return counts;
}

TEST(PaperThreshold, IsTheMedianToItsResolution) {
  const std::vector<float> all =
      RandomArray({2001}, autograd::kFloat32, RandomKey(1), -16, 1.7).ToVector<float>();  // from 10^−7 on, log-uniform
  for (const size_t count : {1, 2, 3, 10, 999, 1000, 2001}) {
    std::vector<float> entropies;
    for (size_t i = 0; i < count; ++i) entropies.push_back(std::exp(all[i]));
    const double threshold = PaperThreshold(Histogram(entropies));
    std::sort(entropies.begin(), entropies.end());
    const double median = entropies[(count - 1) / 2];
    EXPECT_NEAR(threshold, median, median / 256) << count;
  }
  EXPECT_EQ(PaperThreshold(Histogram({})), 0);
  EXPECT_LE(PaperThreshold(Histogram({0, 0, 0, 1})), 0x1p-24);
}

TEST(EntropyBins, EdgesAndBinsAgree) {
  for (int bin = 0; bin < EntropyBins::kPaper; ++bin) {
    const float low = static_cast<float>(EntropyBins::PaperEdge(bin)),
                high = static_cast<float>(EntropyBins::PaperEdge(bin + 1));
    EXPECT_EQ(EntropyBins::Of(kPaper, low), bin);
    EXPECT_EQ(EntropyBins::Of(kPaper, std::nextafter(high, 0.0f)), bin);
    if (bin > 0) {
      EXPECT_LE(high - low, low / 256);
    }
  }
  EXPECT_EQ(EntropyBins::PaperEdge(EntropyBins::kPaper), 8);
  EXPECT_EQ(EntropyBins::Of(kPaper, 1e9f), EntropyBins::kPaper - 1);
  EXPECT_EQ(EntropyBins::Of(kReleasedCode, 0.0099f), 0);
  EXPECT_EQ(EntropyBins::Of(kReleasedCode, 0.0101f), 1);
  EXPECT_EQ(EntropyBins::Of(kReleasedCode, 1), 99);
  EXPECT_EQ(EntropyBins::Of(kReleasedCode, -1e-9f), 0);
  EXPECT_EQ(EntropyBins::Of(kReleasedCode, std::nanf("")), 0);
  EXPECT_EQ(EntropyBins::Of(kPaper, std::nanf("")), 0);
}

TEST(EntropyThresholds, CountBackgroundPixelsByPrediction) {
  const Array logits = RandomArray({3, 30, 41, 5}, autograd::kFloat32, RandomKey(3), -5, 5);
  const Array labels = RandomLabels({3, 30, 41}, {0, 0, 0, 5, 255}, 4);
  for (const EntropyReading reading : {kPaper, kReleasedCode}) {
    // Sorted entropies of each class.
    std::vector<std::vector<float>> entropies(5);
    const PixelEntropies here = EntropyOf(logits, reading, 6);
    for (int64_t i = 0; i < labels.size(); ++i) {
      if (labels.data<uint8_t>()[i] == 0)
        entropies[here.prediction.data<uint8_t>()[i]].push_back(here.entropy.data<float>()[i]);
    }
    std::vector<float> expected;
    for (std::vector<float>& of_class : entropies) {
      std::vector<int64_t> counts(EntropyBins::Count(reading));
      for (const float u : of_class) ++counts[EntropyBins::Of(reading, u)];
      expected.push_back(static_cast<float>(reading == kPaper ? PaperThreshold(counts) : ReleasedThreshold(counts)));
      std::sort(of_class.begin(), of_class.end());
    }
    autograd::testing::OnEachDevice([&] {
      autograd::Stream& stream = autograd::Stream::Current();
      EntropyThresholds thresholds(5, reading);
      const PixelEntropies pixels{here.entropy.To(stream), here.prediction.To(stream)};
      for (int64_t i = 0; i < 3; ++i) {
        thresholds.Add(labels.To(stream).Slice(i, i + 1),
                       {pixels.entropy.Slice(i, i + 1), pixels.prediction.Slice(i, i + 1)});
      }
      const std::vector<float> found = thresholds.Finish().ToVector<float>();
      EXPECT_EQ(found, expected);
      if (reading == kPaper) {
        for (size_t k = 0; k < 5; ++k) {
          const float median = entropies[k][(entropies[k].size() - 1) / 2];
          EXPECT_NEAR(found[k], median, median / 256);
        }
      }
    });
  }
}

// Four ranks with a quarter of the images each come to the thresholds of one rank with all, and know it.
TEST(EntropyThresholds, OfAllRanks) {
  const Array logits = RandomArray({8, 12, 12, 4}, autograd::kFloat32, RandomKey(5), -5, 5);
  const Array labels = RandomLabels({8, 12, 12}, {0, 0, 4, 255}, 6);
  for (const EntropyReading reading : {kPaper, kReleasedCode}) {
    EntropyThresholds one(4, reading);
    one.Add(labels, EntropyOf(logits, reading, 5));
    const std::vector<float> expected = one.Finish().ToVector<float>();
    autograd::RunRanks(4, [&](autograd::Collective& collective) {
      const int64_t first = 2 * collective.rank();
      EntropyThresholds own(4, reading);
      own.Add(labels.Slice(first, first + 2), EntropyOf(logits.Slice(first, first + 2), reading, 5));
      own.SumOverRanks(collective);
      EXPECT_EQ(own.Finish().ToVector<float>(), expected);
    });
  }
}

TEST(EntropyThresholds, StateHasAName) {
  EntropyThresholds thresholds(3, kReleasedCode);
  const std::vector<nn::NamedBuffer> buffers = nn::NamedBuffers(thresholds);
  ASSERT_EQ(buffers.size(), 1u);
  EXPECT_EQ(buffers[0].name, "counts");
  EXPECT_EQ(buffers[0].array->shape(), Shape({3, 100}));
}

// Old classes 0 to 2; void and new pixels keep their label and do not count.
TEST(PseudoLabel, ByHand) {
  const Array labels = Array::From<uint8_t>({2, 1, 4}, {0, 0, 3, 255, 3, 3, 255, 4});
  const Array thresholds = Array::From<float>({3}, {0.5f, 0.25f, 0});
  const Array entropy = Array::From<float>({2, 1, 4}, {0.4f, 0.25f, 0, 0, 0, 0, 0, 0});
  const Array prediction = Array::From<uint8_t>({2, 1, 4}, {0, 1, 1, 1, 1, 1, 1, 1});
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    const PseudoLabels pseudo =
        PseudoLabel(labels.To(here), {entropy.To(here), prediction.To(here)}, thresholds.To(here));
    EXPECT_EQ(pseudo.labels.ToVector<uint8_t>(), (std::vector<uint8_t>{0, 255, 3, 255, 3, 3, 255, 4}));
    const std::vector<float> factor = pseudo.factor.ToVector<float>();
    EXPECT_FLOAT_EQ(factor[0], static_cast<float>(1 / (2 + 1e-6)));
    EXPECT_EQ(factor[1], 0);
  });
}

// Whole batches, of several blocks an image: the definition, pixel by pixel.
TEST(PseudoLabel, ManyPixels) {
  const int64_t old_classes = 4;
  const Shape shape = {3, 70, 93};
  const Array labels = RandomLabels(shape, {0, 0, 0, 1, 4, 5, 255}, 7);
  const Array entropy = RandomArray(shape, autograd::kFloat32, RandomKey(8), 0, 1);
  const Array prediction = RandomLabels(shape, {0, 1, 2, 3}, 9);
  const std::vector<float> thresholds = {0.1f, 0.5f, std::numeric_limits<float>::infinity(), 0};
  std::vector<uint8_t> expected;
  std::vector<float> factors;
  for (int64_t image = 0; image < 3; ++image) {
    double background = 0, certain = 0;
    for (int64_t i = image * 70 * 93; i < (image + 1) * 70 * 93; ++i) {
      const uint8_t label = labels.data<uint8_t>()[i], guess = prediction.data<uint8_t>()[i];
      if (label >= old_classes) {
        expected.push_back(label);
        continue;
      }
      ++background;
      const bool valid = entropy.data<float>()[i] < thresholds[guess];
      certain += valid ? 1 : 0;
      expected.push_back(valid ? guess : 255);
    }
    factors.push_back(static_cast<float>(certain / (background + 1e-6)));
  }
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    for (const auto order : {cuda_emulator::ThreadOrder::kForward, cuda_emulator::ThreadOrder::kReverse}) {
      cuda_emulator::SetThreadOrder(order);
      const PseudoLabels pseudo =
          PseudoLabel(labels.To(here), {entropy.To(here), prediction.To(here)}, Array::From({old_classes}, thresholds));
      EXPECT_EQ(pseudo.labels.ToVector<uint8_t>(), expected);
      EXPECT_EQ(pseudo.factor.ToVector<float>(), factors);
    }
    cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kForward);
  });
}

TEST(PseudoLabel, NoImages) {
  autograd::testing::OnEachDevice([] {
    const Array logits = Array::Zeros({0, 3, 3, 4}, autograd::kFloat32),
                labels = Array::Zeros({0, 3, 3}, autograd::kUInt8);
    EntropyThresholds thresholds(4, kPaper);
    thresholds.Add(labels, EntropyOf(logits, kPaper, 5));
    const PseudoLabels pseudo = PseudoLabel(labels, EntropyOf(logits, kPaper, 5), thresholds.Finish());
    EXPECT_EQ(pseudo.factor.shape(), Shape({0}));
  });
}

TEST(PseudoLabel, SameForAnyThreadCount) {
  const Array logits = RandomArray({2, 40, 50, 7}, autograd::kFloat32, RandomKey(1), -5, 5);
  EXPECT_TRUE(
      autograd::testing::SameForThreadCounts([&] { return std::vector<Array>{EntropyOf(logits, kPaper, 8).entropy}; }));
}

TEST(PseudoLabel, Misuse) {
  const Array logits = Array::Zeros({1, 2, 3, 5}, autograd::kFloat32),
              labels = Array::Zeros({1, 2, 3}, autograd::kUInt8);
  ExpectError([&] { EntropyOf(logits, kReleasedCode, 4); }, "EntropyOf: 4 classes seen but logits [1, 2, 3, 5]");
  ExpectError([&] { EntropyOf(Array::Zeros({1, 2, 3, 1}, autograd::kFloat32), kPaper, 1); }, "1 old classes");
  const PixelEntropies pixels = EntropyOf(logits, kPaper, 5);
  ExpectError(
      [&] {
        PseudoLabel(Array::Zeros({1, 2, 4}, autograd::kUInt8), pixels, Array::Zeros({5}, autograd::kFloat32));
      },
      "w is 4 in labels [1, 2, 4] but 3 in entropy");
  ExpectError([&] { PseudoLabel(labels, pixels, Array::Zeros({5}, autograd::kFloat64)); }, "PseudoLabel");
  ExpectError([&] { EntropyThresholds(256, kPaper); }, "256 old classes");
}

}  // namespace
}  // namespace seg
