#include "autograd/ops/resized_cross_entropy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/ops/bilinear_cells.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/resize.h"
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

Array Wide(const Array& array) { return array.dtype() == kBFloat16 ? Cast(array, kFloat32).array() : array; }

OpCase Resized(const std::string& name, Shape logits, int64_t height, int64_t width, DType labels,
               PixelMean mean = PixelMean::kOverValid) {
  const int64_t classes = logits[3];
  return OpCase{name,
                [=](Inputs v) { return ResizedCrossEntropy(v[0], v[1].array(), static_cast<int>(classes), mean); },
                {InputSpec{logits, -3, 3}, InputSpec{.shape = {logits[0], height, width},
                                                     .low = 0,
                                                     .high = static_cast<double>(classes + 1),
                                                     .integer = labels}}};
}

OpCase ResizedClassWeighted(const std::string& name, Shape logits, int64_t height, int64_t width) {
  const int64_t classes = logits[3];
  OpCase op_case = Resized(name, logits, height, width, kUInt8);
  op_case.function = [=](Inputs v) {
    return ResizedCrossEntropy(v[0], v[1].array(), static_cast<int>(classes), PixelMean::kOverValid, v[2].array());
  };
  op_case.inputs.push_back(InputSpec{.shape = {classes}, .low = 0.1, .high = 2, .differentiable = false});
  return op_case;
}

OpCase ResizedWeighted(const std::string& name, Shape logits, int64_t height, int64_t width, PixelMean mean) {
  const int64_t classes = logits[3];
  OpCase op_case = Resized(name, logits, height, width, kUInt8);
  op_case.function = [=](Inputs v) {
    return ResizedCrossEntropy(v[0], v[1].array(), static_cast<int>(classes), mean, {}, v[2].array());
  };
  op_case.inputs.push_back(InputSpec{.shape = {logits[0], height, width}, .differentiable = false});
  return op_case;
}

OP_CONTRACT(ResizedCrossEntropy, Resized("Larger", {2, 3, 5, 7}, 13, 11, kUInt8),
            Resized("Smaller", {1, 9, 8, 3}, 4, 5, kInt32), Resized("Packs", {2, 4, 3, 24}, 8, 9, kUInt8),
            Resized("FourTimes", {1, 5, 4, 59}, 20, 16, kUInt8), Resized("SixteenTimes", {1, 2, 2, 3}, 32, 32, kUInt8),
            Resized("ManyClasses", {1, 3, 2, 459}, 6, 5, kInt32), Resized("OneRow", {2, 1, 7, 3}, 1, 9, kUInt8),
            Resized("SeveralBands", {2, 20, 3, 4}, 43, 3, kUInt8), Resized("SeveralRuns", {1, 2, 35, 3}, 4, 76, kUInt8),
            Resized("SameSize", {2, 4, 3, 6}, 4, 3, kUInt8), Resized("OnePixel", {3, 1, 1, 4}, 2, 3, kUInt8),
            Resized("OverAll", {2, 3, 5, 11}, 6, 10, kUInt8, PixelMean::kOverAll),
            Resized("NoImages", {0, 2, 2, 4}, 4, 4, kUInt8), ResizedClassWeighted("ClassWeights", {2, 3, 5, 7}, 13, 11),
            ResizedClassWeighted("ClassWeightsSameSize", {2, 3, 5, 7}, 3, 5),
            ResizedWeighted("Weights", {2, 3, 5, 7}, 13, 11, PixelMean::kOverValid),
            ResizedWeighted("WeightsOverAll", {3, 9, 8, 4}, 4, 5, PixelMean::kOverAll),
            ResizedWeighted("WeightsSameSize", {2, 3, 5, 7}, 3, 5, PixelMean::kOverAll));

// Into the definition, on a grid that is neither a whole multiple nor square.
TEST(ResizedCrossEntropyTest, IsTheCrossEntropyOfResizedLogits) {
  for (const DType dtype : {kFloat32, kFloat64, kBFloat16}) {
    const Array logits = RandomArray({2, 9, 7, 21}, dtype, RandomKey(4), -3, 3);
    std::vector<uint8_t> values(2 * 33 * 40);
    for (size_t i = 0; i < values.size(); ++i) values[i] = i % 5 == 0 ? 255 : i % 21;
    const Array labels = Array::From({2, 33, 40}, values);
    const Array weights = RandomArray({2, 33, 40}, kFloat32, RandomKey(5));
    testing::OnEachDevice([&] {
      Stream& here = Stream::Current();
      const Array pixel_weights = dtype == kFloat64 ? Array() : weights.To(here), y = labels.To(here);
      double losses[2];
      Array gradients[2];
      for (int i = 0; i < 2; ++i) {
        Tape tape;
        // bfloat16 logits are not rounded again once they are resized, so the definition runs on what they are.
        const Variable x = tape.Watch(i == 0 || dtype != kBFloat16 ? logits.To(here) : Wide(logits).To(here));
        const Variable loss =
            i == 0 ? ResizedCrossEntropy(x, y) + ResizedCrossEntropy(x, y, 255, PixelMean::kOverAll, {}, pixel_weights)
                   : CrossEntropy(ResizeBilinear(x, 33, 40), y) +
                         CrossEntropy(ResizeBilinear(x, 33, 40), y, 255, pixel_weights, PixelMean::kOverAll);
        losses[i] = loss.Item();
        tape.Backward(loss, Array::Full({}, loss.dtype(), 0.3).To(here));
        gradients[i] = Wide(tape.Gradient(x).To(Stream::Cpu()));
      }
      // The logits' roundings, a few each, and those of sums over a cell's pixels, 36 at most of either sign.
      const double roundoff = testing::UnitRoundoff(dtype == kFloat64 ? kFloat64 : kFloat32);
      EXPECT_NEAR(losses[0], losses[1], 100 * roundoff * std::max(1.0, std::abs(losses[1])));
      EXPECT_TRUE(AllClose(gradients[0], gradients[1],
                           dtype == kBFloat16 ? 2 * testing::UnitRoundoff(kBFloat16) : 200 * roundoff));
    });
  }
}

TEST(ResizedCrossEntropyTest, ThreadCountDoesNotChangeABit) {
  const Array logits = RandomArray({3, 19, 11, 5}, kFloat32, RandomKey(1));
  const Array labels = Array::Full({3, 50, 40}, kInt32, 4);
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable x = tape.Watch(logits);
    const Variable loss = ResizedCrossEntropy(x, labels);
    tape.Backward(loss);
    return std::vector<Array>{loss.array(), tape.Gradient(x)};
  }));
}

// Each output in the one cell that the filter's window begins at, and every cell found by its number.
TEST(ResizedCrossEntropyTest, CellsPartTheOutputs) {
  const AxisFilter filter{.kind = AxisFilterKind::kBilinear};
  for (const int64_t in : {1, 2, 3, 7, 16, 65, 129}) {
    for (const int64_t out : {1, 2, 5, 7, 28, 64, 260, 513}) {
      int64_t next = 0;
      for (int64_t cell = 0; cell < in; ++cell) {
        ASSERT_EQ(FirstOutputOfCell(in, out, cell), next) << in << " -> " << out << ", cell " << cell;
        while (next < out && WindowOf(filter, in, out, next).first == cell) ++next;
      }
      ASSERT_EQ(next, out);
      ASSERT_EQ(FirstOutputOfCell(in, out, in), out);
    }
  }
}

// Logits that are not numbers reach no gradient through void pixels.
TEST(ResizedCrossEntropyTest, VoidPixelsHideTheirLogits) {
  testing::OnEachDevice([] {
    Tape tape;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const Variable x = tape.Watch(Array::From<float>({1, 1, 3, 2}, {0, 0, 0, 0, nan, nan}).To(Stream::Current()));
    // Outputs 4 and 5 read the third of the small logits, 2 and 3 the second and, in part, the third.
    const Variable loss =
        ResizedCrossEntropy(x, Array::From<uint8_t>({1, 1, 6}, {0, 1, 255, 255, 255, 255}).To(Stream::Current()));
    tape.Backward(loss);
    EXPECT_NEAR(loss.Item(), std::log(2.0), 1e-6);
    const std::vector<float> gradient = tape.Gradient(x).To(Stream::Cpu()).ToVector<float>();
    for (const float value : gradient) EXPECT_FALSE(std::isnan(value));
  });
}

TEST(ResizedCrossEntropyTest, LabelOutOfRange) {
  const Array logits = Array::Zeros({1, 2, 2, 3}, kFloat32);
  std::vector<uint8_t> values(16, 255);
  values[6] = 3;
  const Array labels = Array::From({1, 4, 4}, values);
  ExpectError([&] { ResizedCrossEntropy(logits, labels); },
              "ResizedCrossEntropy: label 3 of pixel 6 in [1, 4, 4] is neither void (255) nor one of the 3 classes of "
              "logits [1, 2, 2, 3]");
  const std::unique_ptr<Stream> stream = cuda_emulator::OpenEmulatedStream();
  StreamScope scope(*stream);
  Tape tape;
  const Variable x = tape.Watch(logits.To(*stream));
  const Variable loss = ResizedCrossEntropy(x, labels.To(*stream));
  tape.Backward(loss);
  EXPECT_TRUE(std::isnan(loss.Item()));
  for (const float value : tape.Gradient(x).To(Stream::Cpu()).ToVector<float>()) EXPECT_TRUE(std::isnan(value));
}

TEST(ResizedCrossEntropyTest, KeepsNoResizedLogits) {
  Tape tape;
  const Variable x = tape.Watch(Array::Zeros({1, 8, 8, 128}, kFloat32));
  ResizedCrossEntropy(x, Array::Zeros({1, 64, 64}, kUInt8));
  EXPECT_LE(tape.SavedBytes(), 8 * 8 * 128 * 4 + 1024);
}

TEST(ResizedCrossEntropyTest, Misuse) {
  const Array logits = Array::Zeros({2, 3, 4, 5}, kFloat32);
  ExpectError(
      [&] {
        ResizedCrossEntropy(logits, Array::Zeros({1, 6, 8}, kUInt8));
      },
      "ResizedCrossEntropy: n is 2 in logits [2, 3, 4, 5] but 1 in labels [1, 6, 8]");
  ExpectError(
      [&] {
        ResizedCrossEntropy(logits, Array::Zeros({2, 6, 8}, kInt64));
      },
      "ResizedCrossEntropy: labels must be uint8 or int32, not int64 [2, 6, 8]");
}

// Each image as if it were alone, to the bit; several sets of the images; one image is void.
TEST(ImageCrossEntropyTest, IsTheCrossEntropyOfEachImage) {
  const int64_t sets = 2, images = 3, height = 33, width = 40, classes = 21;
  for (const DType dtype : {kFloat32, kFloat64, kBFloat16}) {
    for (const Shape& size : {Shape{9, 7}, Shape{height, width}}) {
      const Array logits = RandomArray({sets * images, size[0], size[1], classes}, dtype, RandomKey(4), -3, 3);
      std::vector<uint8_t> values(images * height * width);
      for (size_t i = 0; i < values.size(); ++i) values[i] = i % 5 == 0 ? 255 : i % classes;
      std::fill_n(values.begin() + height * width, height * width, 255);
      const Array labels = Array::From({images, height, width}, values);
      testing::OnEachDevice([&] {
        Stream& here = Stream::Current();
        const Array x = logits.To(here), y = labels.To(here), losses = ImageCrossEntropy(x, y);
        ASSERT_EQ(losses.shape(), Shape({sets * images}));
        ASSERT_EQ(losses.dtype(), dtype == kFloat64 ? kFloat64 : kFloat32);
        for (int64_t i = 0; i < sets * images; ++i) {
          const int64_t image = i % images;
          const double expected = ResizedCrossEntropy(x.Slice(i, i + 1), y.Slice(image, image + 1)).Item();
          EXPECT_EQ(losses.Slice(i, i + 1).Item(), expected) << i;
          EXPECT_EQ(expected == 0, image == 1);
        }
      });
    }
  }
}

// Void pixels count for nothing, and each image has its own number of pixels.
TEST(ImageCrossEntropyTest, ClosedForm) {
  const Array logits = Array::From<float>({2, 1, 2, 2}, {0, std::log(3.0f), 0, 0, 0, 0, std::log(7.0f), 0});
  const Array labels = Array::From<int32_t>({1, 1, 2}, {1, -100});
  testing::OnEachDevice([&] {
    Stream& here = Stream::Current();
    const std::vector<float> losses = ImageCrossEntropy(logits.To(here), labels.To(here), -100).ToVector<float>();
    EXPECT_NEAR(losses[0], std::log(4.0 / 3), 1e-6);
    EXPECT_NEAR(losses[1], std::log(2.0), 1e-6);
  });
}

TEST(ImageCrossEntropyTest, NoImages) {
  EXPECT_EQ(ImageCrossEntropy(Array::Zeros({0, 2, 2, 4}, kFloat32), Array::Zeros({0, 4, 4}, kUInt8)).size(), 0);
  EXPECT_EQ(ImageCrossEntropy(Array::Zeros({0, 2, 2, 4}, kFloat32), Array::Zeros({2, 4, 4}, kUInt8)).size(), 0);
}

TEST(ImageCrossEntropyTest, Misuse) {
  ExpectError(
      [] {
        ImageCrossEntropy(Array::Zeros({5, 2, 2, 3}, kFloat32), Array::Zeros({2, 4, 4}, kUInt8));
      },
      "ImageCrossEntropy: logits [5, 2, 2, 3] are not whole sets of the images of labels [2, 4, 4]");
  ExpectError(
      [] {
        ImageCrossEntropy(Array::Zeros({2, 2, 2, 3}, kFloat32), Array::Zeros({2, 4, 4}, kInt64));
      },
      "ImageCrossEntropy: labels must be uint8 or int32");
  ExpectError(
      [] {
        ImageCrossEntropy(Array::Zeros({2, 2, 2, 3}, kFloat32), Array::Full({2, 4, 4}, kUInt8, 3));
      },
      "label 3 of pixel 0");
}

}  // namespace
}  // namespace autograd
