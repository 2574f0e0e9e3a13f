#include "autograd/ops/cross_entropy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/testing/each_device.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"
#include "autograd/testing/tolerance.h"

namespace autograd {
namespace {

using testing::AllClose;
using testing::ExpectError;
using testing::Inputs;
using testing::InputSpec;
using testing::OpCase;
using testing::RandomArray;

// Labels are drawn in [0, classes + 1): the last value is void.
OpCase Case(const std::string& name, Shape shape, DType labels, PixelMean mean = PixelMean::kOverValid) {
  const int64_t classes = shape[-1];
  const Shape pixels(shape.begin(), shape.rank() - 1);
  return OpCase{name,
                [=](Inputs v) { return CrossEntropy(v[0], v[1].array(), static_cast<int>(classes), {}, mean); },
                {InputSpec{shape, -3, 3},
                 InputSpec{.shape = pixels, .low = 0, .high = static_cast<double>(classes + 1), .integer = labels}}};
}

OpCase Weighted(const std::string& name, Shape pixels, int64_t classes) {
  std::vector<int64_t> extents = pixels.ToVector();
  extents.push_back(classes);
  return OpCase{name,
                [](Inputs v) { return CrossEntropy(v[0], v[1].array(), 255, v[2].array()); },
                {InputSpec{Shape(extents), -3, 3},
                 InputSpec{.shape = pixels, .low = 0, .high = static_cast<double>(classes), .integer = kUInt8},
                 InputSpec{.shape = pixels, .differentiable = false}}};
}

// Some classes without weight.
OpCase ClassWeighted(const std::string& name, Shape pixels, int64_t classes, PixelMean mean) {
  std::vector<int64_t> extents = pixels.ToVector();
  extents.push_back(classes);
  return OpCase{name,
                [=](Inputs v) {
                  return CrossEntropy(v[0], v[1].array(), static_cast<int>(classes), v[2].array(), mean,
                                      Relu(v[3]).array());
                },
                {InputSpec{Shape(extents), -3, 3},
                 InputSpec{.shape = pixels, .low = 0, .high = static_cast<double>(classes + 1), .integer = kUInt8},
                 InputSpec{.shape = pixels, .differentiable = false},
                 InputSpec{.shape = {classes}, .low = -0.5, .high = 2, .differentiable = false}}};
}

OP_CONTRACT(CrossEntropy, Case("Image", {2, 5, 7, 19}, kUInt8), Case("Int32", {2, 5, 7, 19}, kInt32),
            Case("OnePixel", {1, 3}, kInt32), Case("OneClass", {7, 1}, kUInt8),
            Case("OverAll", {3, 8, 11}, kUInt8, PixelMean::kOverAll), Case("SeveralChunks", {9001, 11}, kUInt8),
            Case("ManyClasses", {3, 5003}, kInt32), Case("HundredClasses", {301, 150}, kUInt8),
            Case("Packs", {130, 24}, kInt32), Case("NoPixels", {0, 4}, kUInt8), Weighted("Weights", {4, 9}, 5),
            ClassWeighted("ClassWeights", {4, 9}, 5, PixelMean::kOverValid),
            ClassWeighted("ClassWeightsOverAll", {300, 31}, 19, PixelMean::kOverAll));

TEST(CrossEntropyTest, ClosedForm) {
  // Probabilities 1/8, 1/4, 5/8 and 1/2, 1/2, 0.
  const Array logits = Array::From<float>({3, 3}, {0, std::log(2.0f), std::log(5.0f), 500, 500, -500, 9, 9, 9});
  const Array labels = Array::From<uint8_t>({3}, {1, 0, 255});
  EXPECT_NEAR(CrossEntropy(logits, labels).Item(), (std::log(4.0) + std::log(2.0)) / 2, 1e-6);
  EXPECT_NEAR(CrossEntropy(logits, labels, 255, {}, PixelMean::kOverAll).Item(), (std::log(4.0) + std::log(2.0)) / 3,
              1e-6);
  const Array weights = Array::From<float>({3}, {3, -1, 100});
  EXPECT_NEAR(CrossEntropy(logits, labels, 255, weights).Item(), (3 * std::log(4.0) - std::log(2.0)) / 2, 1e-6);

  Tape tape;
  const Variable x = tape.Watch(logits);
  tape.Backward(CrossEntropy(x, labels));
  const std::vector<float> gradient = tape.Gradient(x).ToVector<float>();
  const float expected[] = {1.0f / 16, -3.0f / 8, 5.0f / 16, -0.25, 0.25, 0, 0, 0, 0};
  for (int i = 0; i < 9; ++i) EXPECT_NEAR(gradient[i], expected[i], 1e-6) << i;
}

// Σ w[y]·ce / Σ w[y], pixel by pixel: torch's `weight`.
TEST(CrossEntropyTest, ClassWeightsByHand) {
  const int64_t pixels = 23, classes = 4;
  const Array logits = RandomArray({pixels, classes}, kFloat64, RandomKey(1), -3, 3);
  const std::vector<double> weights = {0.5, 2, 0, 3.25}, z = logits.ToVector<double>();
  std::vector<uint8_t> labels(pixels);
  for (int64_t i = 0; i < pixels; ++i) labels[i] = i % 6 == 5 ? 255 : static_cast<uint8_t>(i % 5 % classes);
  double sum = 0, total = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    if (labels[i] == 255) continue;
    double exponentials = 0;
    for (int64_t k = 0; k < classes; ++k) exponentials += std::exp(z[i * classes + k]);
    sum += weights[labels[i]] * (std::log(exponentials) - z[i * classes + labels[i]]);
    total += weights[labels[i]];
  }
  const Array truth = Array::From({pixels}, labels), class_weights = Array::From({classes}, weights);
  // A handful of roundings for each of 23 terms of one sign below 4·7.
  EXPECT_NEAR(CrossEntropy(logits, truth, 255, {}, PixelMean::kOverValid, class_weights).Item(), sum / total, 1e-13);
  EXPECT_NEAR(CrossEntropy(logits, truth, 255, {}, PixelMean::kOverAll, class_weights).Item(),
              sum / static_cast<double>(pixels), 1e-13);
}

TEST(CrossEntropyTest, EqualClassWeightsChangeNoBit) {
  const Array logits = RandomArray({301, 7}, kFloat32, RandomKey(1), -3, 3), ones = Array::Full({7}, kFloat32, 1);
  std::vector<uint8_t> values(301);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i % 5 == 0 ? 255 : i % 7;
  const Array labels = Array::From({301}, values);
  testing::OnEachDevice([&] {
    Stream& here = Stream::Current();
    const Array x = logits.To(here), y = labels.To(here);
    EXPECT_EQ(CrossEntropy(x, y, 255, {}, PixelMean::kOverValid, ones.To(here)).Item(), CrossEntropy(x, y).Item());
  });
}

TEST(CrossEntropyTest, ClassesWithoutWeightAreZero) {
  testing::OnEachDevice([] {
    Tape tape;
    const Variable x = tape.Watch(Array::From<float>({2, 3}, {1, 2, 3, 4, 5, 7}));
    const Variable loss = CrossEntropy(x, Array::From<uint8_t>({2}, {1, 255}), 255, {}, PixelMean::kOverValid,
                                       Array::From<float>({3}, {1, 0, 1}));
    tape.Backward(loss);
    EXPECT_EQ(loss.Item(), 0);
    EXPECT_EQ(tape.Gradient(x).ToVector<float>(), std::vector<float>(6, 0));
  });
}

TEST(CrossEntropyTest, NothingValidIsZero) {
  Tape tape;
  const Variable x = tape.Watch(RandomArray({2, 2, 4}, kFloat32, RandomKey(1)));
  const Variable loss = CrossEntropy(x, Array::Full({2, 2}, kUInt8, 255));
  EXPECT_EQ(loss.Item(), 0);
  tape.Backward(loss);
  EXPECT_EQ(tape.Gradient(x).ToVector<float>(), std::vector<float>(16, 0));
}

TEST(CrossEntropyTest, VoidMayBeAClassNumberOrNegative) {
  const Array logits = Array::From<float>({2, 2}, {0, 0, 0, std::log(3.0f)});
  EXPECT_NEAR(CrossEntropy(logits, Array::From<uint8_t>({2}, {0, 1}), 0).Item(), -std::log(0.75), 1e-6);
  EXPECT_NEAR(CrossEntropy(logits, Array::From<int32_t>({2}, {-100, 1}), -100).Item(), -std::log(0.75), 1e-6);
}

TEST(CrossEntropyTest, BFloat16LogitsGiveAFloat32Loss) {
  const Array wide = RandomArray({4, 6, 21}, kFloat32, RandomKey(1)),
              narrow = RandomArray({4, 6, 21}, kBFloat16, RandomKey(1));
  const Array labels = Array::Full({4, 6}, kUInt8, 3);
  Tape tape;
  const Variable x = tape.Watch(narrow), z = tape.Watch(wide);
  const Variable loss = CrossEntropy(x, labels), reference = CrossEntropy(z, labels);
  EXPECT_EQ(loss.dtype(), kFloat32);
  // Logits below 1 are off by a unit roundoff at most, and a loss moves by no more than twice the largest move of its
  // logits.
  EXPECT_NEAR(loss.Item(), reference.Item(), 2 * testing::UnitRoundoff(kBFloat16));
  tape.Backward(loss);
  EXPECT_EQ(tape.Gradient(x).dtype(), kBFloat16);
}

// What the rows cannot say: bfloat16 logits with a float32 loss and weights, and logits that do not begin at a multiple
// of 16 bytes.
TEST(CrossEntropyTest, BFloat16WithWeightsInTheEmulator) {
  const std::unique_ptr<Stream> stream = cuda_emulator::OpenEmulatedStream();
  for (const Shape& shape : {Shape{37, 150}, Shape{5, 27, 11}, Shape{3001, 2}}) {
    const Shape pixels(shape.begin(), shape.rank() - 1);
    const Array logits = RandomArray(shape, kBFloat16, RandomKey(1), -3, 3);
    std::vector<uint8_t> values(pixels.size());
    for (size_t i = 0; i < values.size(); ++i) values[i] = i % 7 == 0 ? 255 : i % shape[-1];
    const Array labels = Array::From(pixels, values), weights = RandomArray(pixels, kFloat32, RandomKey(2));
    double losses[2];
    Array gradients[2];
    for (int device = 0; device < 2; ++device) {
      Stream& to = device == 0 ? Stream::Cpu() : *stream;
      StreamScope scope(to);
      Tape tape;
      const auto rest = [&](const Array& array) { return array.To(to).Slice(1, shape[0]); };
      const Variable x = tape.Watch(rest(logits));
      const Variable loss = CrossEntropy(x, rest(labels), 255, rest(weights), PixelMean::kOverAll);
      tape.Backward(loss);
      losses[device] = loss.Item();
      gradients[device] = tape.Gradient(x).To(Stream::Cpu());
    }
    EXPECT_NEAR(losses[1], losses[0], 1e-6 * std::max(1.0, std::abs(losses[0])));
    // Float32 numbers that differ by a rounding may become neighbours in bfloat16.
    EXPECT_TRUE(AllClose(gradients[1], gradients[0], 2.1 * testing::UnitRoundoff(kBFloat16)));
  }
}

TEST(CrossEntropyTest, LabelOutOfRangeIsNanInTheEmulator) {
  const std::unique_ptr<Stream> stream = cuda_emulator::OpenEmulatedStream();
  StreamScope scope(*stream);
  for (const PixelMean mean : {PixelMean::kOverValid, PixelMean::kOverAll}) {
    Tape tape;
    const Variable x = tape.Watch(Array::Zeros({3, 2}, kFloat32));
    const Variable loss = CrossEntropy(x, Array::From<int32_t>({3}, {0, 255, -2}), 255, {}, mean);
    tape.Backward(loss);
    EXPECT_TRUE(std::isnan(loss.Item()));
    const std::vector<float> gradient = tape.Gradient(x).ToVector<float>();
    for (const int i : {0, 1, 4, 5}) EXPECT_TRUE(std::isnan(gradient[i])) << i;
    EXPECT_EQ(gradient[2], 0);
  }
}

TEST(CrossEntropyTest, ThreadCountDoesNotChangeABit) {
  const Array logits = RandomArray({20011, 5}, kFloat32, RandomKey(1));
  const Array labels = Array::Full({20011}, kInt32, 4);
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable x = tape.Watch(logits);
    const Variable loss = CrossEntropy(x, labels);
    tape.Backward(loss);
    return std::vector<Array>{loss.array(), tape.Gradient(x)};
  }));
}

TEST(CrossEntropyTest, SavesOneNumberAPixel) {
  Tape tape;
  const Variable x = tape.Watch(Array::Zeros({64, 64, 16}, kFloat32));
  CrossEntropy(x, Array::Zeros({64, 64}, kUInt8));
  const int64_t pixels = 64 * 64;
  EXPECT_LE(tape.SavedBytes(), pixels * (16 * 4 + 1 + 4) + 1024);
}

TEST(CrossEntropyTest, LabelOutOfRange) {
  const Array logits = Array::Zeros({2, 3, 5}, kFloat32);
  ExpectError(
      [&] {
        CrossEntropy(logits, Array::From<uint8_t>({2, 3}, {0, 1, 255, 5, 7, 0}));
      },
      "CrossEntropy: label 5 of pixel 3 in [2, 3] is neither void (255) nor one of the 5 classes of logits "
      "[2, 3, 5]");
  ExpectError(
      [&] {
        CrossEntropy(logits, Array::From<int32_t>({2, 3}, {0, -1, 0, 0, 0, 0}));
      },
      "CrossEntropy: label -1 of pixel 1");
}

TEST(CrossEntropyTest, Misuse) {
  const Array logits = Array::Zeros({2, 3, 5}, kFloat32), labels = Array::Zeros({2, 3}, kUInt8);
  ExpectError(
      [&] {
        CrossEntropy(logits, Array::Zeros({3, 2}, kUInt8));
      },
      "CrossEntropy: leading dimensions are [3, 2] in labels [3, 2] but [2, 3] in logits [2, 3, 5]");
  ExpectError(
      [&] {
        CrossEntropy(logits, Array::Zeros({2, 3}, kInt64));
      },
      "CrossEntropy: labels must be uint8 or int32, not int64 [2, 3]");
  ExpectError([&] { CrossEntropy(logits, labels, 255, Array::Zeros({2}, kFloat32)); },
              "CrossEntropy: leading dimensions are [2] in weights");
  ExpectError(
      [&] {
        CrossEntropy(logits, labels, 255, Array::Zeros({2, 3}, kFloat64));
      },
      "CrossEntropy: weights is float64 [2, 3]");
  ExpectError([&] { CrossEntropy(logits, labels, 255, {}, PixelMean::kOverValid, Array::Zeros({4}, kFloat32)); },
              "CrossEntropy: k is 5 in logits [2, 3, 5] but 4 in class_weights [4]");
  ExpectError([&] { CrossEntropy(labels, labels); }, "CrossEntropy: leading dimensions are");
}

}  // namespace
}  // namespace autograd
