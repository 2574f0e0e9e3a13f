#include "seg/losses/soft_iou_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Shape;
using autograd::Tape;
using autograd::Variable;
using autograd::testing::ExpectError;
using autograd::testing::InputSpec;
using autograd::testing::OpCase;
using autograd::testing::RandomArray;

// One in seven is void, and the last class does not occur unless there is only one.
std::vector<uint8_t> Labels(const Shape& shape, int64_t classes) {
  std::vector<uint8_t> labels(shape.size());
  const auto present = static_cast<uint32_t>(std::max<int64_t>(1, classes - 1));
  for (size_t i = 0; i < labels.size(); ++i) {
    const autograd::PhiloxWords words = autograd::Philox(RandomKey(9), i);
    labels[i] =
        autograd::UniformBelow(words.y, 7) == 0 ? 255 : static_cast<uint8_t>(autograd::UniformBelow(words.x, present));
  }
  return labels;
}

OpCase Case(const std::string& name, const Shape& logits, int64_t height, int64_t width) {
  const Shape shape = {logits[0], height, width};
  return OpCase{name,
                [shape, labels = Labels(shape, logits[3])](autograd::testing::Inputs v) {
                  return SoftIouLosses(v[0], Array::From(shape, labels));
                },
                {InputSpec{logits, -3, 3}}};
}

OP_CONTRACT(SoftIouLosses, Case("SameSize", {2, 5, 7, 4}, 5, 7), Case("Larger", {3, 3, 5, 7}, 13, 11),
            Case("Smaller", {1, 9, 8, 3}, 4, 5), Case("Packs", {2, 4, 3, 24}, 8, 9),
            Case("OneClass", {2, 2, 2, 1}, 4, 4), Case("OnePixel", {2, 1, 1, 3}, 1, 1),
            Case("SeveralChunks", {2, 40, 30, 5}, 80, 61), Case("ManyClasses", {1, 6, 6, 150}, 24, 24),
            Case("NoImages", {0, 2, 2, 4}, 4, 4));

// The formula of the header, one number at a time.
double ByHand(const std::vector<double>& logits, int64_t rows, int64_t columns, int64_t classes,
              const std::vector<uint8_t>& labels, int64_t height, int64_t width) {
  // The two source rows (or columns) of result i and the share of the second.
  struct Source {
    int64_t low, high;
    double share;
  };
  const auto source = [](int64_t i, int64_t in, int64_t out) {
    const double at =
        std::max(0.0, (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5);
    const int64_t low = std::min(static_cast<int64_t>(at), in - 1);
    return Source{low, std::min(low + 1, in - 1), at - static_cast<double>(low)};
  };
  std::vector<double> shared(classes), predicted(classes), truth(classes);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int label = labels[y * width + x];
      if (label == 255) continue;
      const Source down = source(y, rows, height), across = source(x, columns, width);
      std::vector<double> exponentials(classes);
      double sum = 0;
      for (int64_t k = 0; k < classes; ++k) {
        const auto at = [&](int64_t row, int64_t column) { return logits[(row * columns + column) * classes + k]; };
        const double above = at(down.low, across.low) * (1 - across.share) + at(down.low, across.high) * across.share;
        const double below = at(down.high, across.low) * (1 - across.share) + at(down.high, across.high) * across.share;
        sum += exponentials[k] = std::exp(above * (1 - down.share) + below * down.share);
      }
      for (int64_t k = 0; k < classes; ++k) {
        predicted[k] += exponentials[k] / sum;
        if (k == label) shared[k] += exponentials[k] / sum;
      }
      truth[label] += 1;
    }
  }
  double loss = 0, present = 0;
  for (int64_t k = 0; k < classes; ++k) {
    if (truth[k] == 0) continue;
    loss += 1 - shared[k] / (predicted[k] + truth[k] - shared[k]);
    present += 1;
  }
  return present > 0 ? loss / present : 0;
}

TEST(SoftIouLoss, IsTheFormulaByHand) {
  const int64_t images = 3, classes = 5, height = 12, width = 9;
  const Array logits = RandomArray({images, 5, 4, classes}, autograd::kFloat64, RandomKey(1), -3, 3);
  std::vector<uint8_t> values = Labels({images, height, width}, classes);
  std::fill_n(values.begin() + height * width, height * width, 255);  // nothing of the second image
  const Array labels = Array::From({images, height, width}, values);
  std::vector<double> expected;
  for (int64_t i = 0; i < images; ++i) {
    const auto first = values.begin() + i * height * width;
    expected.push_back(ByHand(logits.Slice(i, i + 1).ToVector<double>(), 5, 4, classes, {first, first + height * width},
                              height, width));
  }
  EXPECT_EQ(expected[1], 0);
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    const std::vector<double> losses = SoftIouLosses(logits.To(here), labels.To(here)).array().ToVector<double>();
    // Ratios of sums of 108 terms of one sign.
    for (int64_t i = 0; i < images; ++i) EXPECT_NEAR(losses[i], expected[i], 1e-13) << i;
    EXPECT_EQ(losses[1], 0);
    EXPECT_NEAR(SoftIouLoss(logits.To(here), labels.To(here)).Item(), (expected[0] + expected[2]) / 3, 1e-13);
  });
}

// Certain and right, certain and wrong, and undecided between two classes of which each has half of the pixels:
// I = n/4, U = n/2 + n/2 − n/4.
TEST(SoftIouLoss, ClosedForms) {
  const Array labels = Array::From<uint8_t>({3, 1, 2}, {0, 1, 0, 1, 0, 1});
  const Array logits = Array::From<float>({3, 1, 2, 2}, {99, -99, -99, 99, -99, 99, 99, -99, 0, 0, 0, 0});
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    const std::vector<float> losses = SoftIouLosses(logits.To(here), labels.To(here)).array().ToVector<float>();
    EXPECT_FLOAT_EQ(losses[0], 0);
    EXPECT_FLOAT_EQ(losses[1], 1);
    EXPECT_FLOAT_EQ(losses[2], 2.0f / 3);
  });
}

TEST(SoftIouLoss, VoidPixelsGetNoGradient) {
  const Array logits = RandomArray({1, 2, 3, 4}, autograd::kFloat32, RandomKey(1));
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    Tape tape;
    const Variable x = tape.Watch(logits.To(here));
    tape.Backward(SoftIouLoss(x, Array::From<uint8_t>({1, 2, 3}, {0, 255, 1, 1, 3, 255})));
    const std::vector<float> gradient = tape.Gradient(x).ToVector<float>();
    for (size_t i = 0; i < gradient.size(); ++i) {
      const bool is_void = i / 4 == 1 || i / 4 == 5;
      EXPECT_EQ(gradient[i] == 0, is_void) << i;
    }
  });
}

// Bfloat16 logits are widened before anything is computed.
TEST(SoftIouLoss, OfBFloat16IsThatOfTheSameNumbers) {
  const Array narrow = RandomArray({2, 5, 4, 6}, autograd::kBFloat16, RandomKey(1), -3, 3);
  std::vector<float> values;
  for (const autograd::BFloat16 value : narrow.ToVector<autograd::BFloat16>())
    values.push_back(static_cast<float>(value));
  const Array labels = Array::From<uint8_t>({2, 10, 8}, Labels({2, 10, 8}, 6));
  Tape tape;
  const Variable x = tape.Watch(narrow);
  const Variable loss = SoftIouLoss(x, labels);
  EXPECT_EQ(loss.dtype(), autograd::kFloat32);
  EXPECT_EQ(loss.Item(), SoftIouLoss(Array::From({2, 5, 4, 6}, values), labels).Item());
  tape.Backward(loss);
  EXPECT_EQ(tape.Gradient(x).dtype(), autograd::kBFloat16);
}

TEST(SoftIouLoss, SameForAnyThreadCount) {
  const Array logits = RandomArray({2, 30, 31, 5}, autograd::kFloat32, RandomKey(1));
  const Array labels = Array::From<uint8_t>({2, 97, 85}, Labels({2, 97, 85}, 5));
  EXPECT_TRUE(autograd::testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable x = tape.Watch(logits);
    const Variable loss = SoftIouLosses(x, labels);
    tape.Backward(loss, Array::Full({2}, autograd::kFloat32, 1));
    return std::vector<Array>{loss.array(), tape.Gradient(x)};
  }));
}

TEST(SoftIouLoss, KeepsNoResizedLogits) {
  Tape tape;
  const Variable x = tape.Watch(Array::Zeros({1, 8, 8, 128}, autograd::kFloat32));
  SoftIouLoss(x, Array::Zeros({1, 64, 64}, autograd::kUInt8));
  EXPECT_LE(tape.SavedBytes(), 8 * 8 * 128 * 4 + 64 * 64 + 2 * 128 * 4 + 1024);
}

TEST(SoftIouLoss, Misuse) {
  const Array logits = Array::Zeros({2, 3, 4, 5}, autograd::kFloat32);
  ExpectError(
      [&] {
        SoftIouLoss(logits, Array::Zeros({1, 6, 8}, autograd::kUInt8));
      },
      "SoftIouLosses: b is 2 in logits [2, 3, 4, 5] but 1 in labels [1, 6, 8]");
  ExpectError([&] { SoftIouLoss(logits, Array::Zeros({2, 6, 8}, autograd::kInt32)); }, "labels must be uint8");
  ExpectError(
      [&] {
        SoftIouLoss(logits, Array::Full({2, 6, 8}, autograd::kUInt8, 5));
      },
      "SoftIouLosses: label 5 of pixel 0 in [2, 6, 8] is neither void nor one of the 5 classes");
}

}  // namespace
}  // namespace seg
