#include "seg/continual/local_pod.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"

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

OpCase Case(const std::string& name, const Shape& map, const std::vector<int>& scales) {
  return OpCase{name,
                [scales](autograd::testing::Inputs v) { return LocalPod(v[0], v[1].array(), scales); },
                {InputSpec{map, -2, 2}, InputSpec{.shape = map, .low = -2, .high = 2, .differentiable = false}}};
}

OP_CONTRACT(LocalPod, Case("Square", {2, 8, 8, 3}, {1, 2, 4}), Case("Wide", {2, 5, 13, 4}, {1, 2, 4}),
            Case("Tall", {1, 11, 6, 7}, {1, 2, 3, 5}), Case("OnePixel", {3, 1, 1, 5}, {1}),
            Case("ManyChannels", {1, 4, 6, 150}, {4, 1}), Case("SeveralChunks", {2, 40, 36, 17}, {1, 2, 4}));

OpCase Distillation() {
  return OpCase{.name = "TwoMaps",
                .function =
                    [](autograd::testing::Inputs v) {
                      const std::vector<Array> old = {v[3].array(), v[4].array()};
                      return PlopDistillation({{v[0], v[1]}}, v[2], old, v[5].array(), AdeDistillation());
                    },
                .inputs = {InputSpec{{2, 8, 6, 3}}, InputSpec{{2, 4, 4, 5}}, InputSpec{{2, 4, 4, 7}, -3, 3},
                           InputSpec{.shape = {2, 8, 6, 3}, .differentiable = false},
                           InputSpec{.shape = {2, 4, 4, 5}, .differentiable = false},
                           InputSpec{.shape = {2, 4, 4, 4}, .differentiable = false}}};
}

OP_CONTRACT(PlopDistillation, Distillation());

Array Ramp(double first) {
  std::vector<double> values(16);
  std::iota(values.begin(), values.end(), first);
  return Array::From({1, 4, 4, 1}, values);
}

// 4 × 4 with 0 … 15, and with 1 … 16.
TEST(LocalPod, WorkedExample) {
  autograd::testing::OnEachDevice([] {
    const Array embedding = LocalPodEmbedding(Ramp(0));
    ASSERT_EQ(embedding.shape(), Shape({1, 56, 1}));
    std::vector<double> begin = embedding.ToVector<double>();
    EXPECT_EQ(begin[24], 0);  // the first cell of scale 4, twice
    EXPECT_EQ(begin[25], 0);
    EXPECT_EQ(begin[54], 225);
    EXPECT_EQ(begin[55], 225);
    begin.resize(12);
    EXPECT_EQ(begin, (std::vector<double>{3.5, 31.5, 91.5, 183.5, 56, 69, 84, 101, 0.5, 20.5, 8, 13}));
    EXPECT_NEAR(LocalPod(Variable(Ramp(1)), Ramp(0)).Item(), 136.4551, 5e-5);
    EXPECT_NEAR(LocalPod(Variable(Ramp(1)), Ramp(0)).Item(), std::sqrt(18620.0), 1e-12);
  });
}

// The loss of that example at VOC 15-5: one map, and logits that do not differ once the new ones are folded.
TEST(PlopDistillation, WorkedExample) {
  const Array old_logits = RandomArray({1, 4, 4, 16}, autograd::kFloat64, RandomKey(1));
  std::vector<double> logits;
  const std::vector<double> old = old_logits.ToVector<double>();
  for (size_t pixel = 0; pixel < 16; ++pixel) {
    logits.insert(logits.end(), old.begin() + 16 * pixel, old.begin() + 16 * (pixel + 1));
    logits.insert(logits.end(), 5, 0.0);
  }
  const std::vector<Variable> maps = {Variable(Ramp(1))};
  const std::vector<Array> old_maps = {Ramp(0)};
  const double loss =
      PlopDistillation(maps, Variable(Array::From({1, 4, 4, 21}, logits)), old_maps, old_logits, VocDistillation())
          .Item();
  EXPECT_NEAR(loss, 2.79650 / 2, 5e-6);  // over two maps
}

// The definition, one number at a time.
double ByHand(const std::vector<double>& a, const std::vector<double>& b, int64_t h, int64_t w, int64_t c,
              const std::vector<int>& scales) {
  double sum = 0;
  const auto difference = [&](int64_t y, int64_t x, int64_t k) {
    const int64_t i = (y * w + x) * c + k;
    return a[i] * a[i] - b[i] * b[i];
  };
  for (const int s : scales) {
    const int64_t height = h / s, width = w / s;
    for (int64_t k = 0; k < c; ++k) {
      for (int64_t i = 0; i < s; ++i) {
        for (int64_t j = 0; j < s; ++j) {
          for (int64_t r = 0; r < height; ++r) {
            double mean = 0;
            for (int64_t q = 0; q < width; ++q) mean += difference(i * height + r, j * width + q, k);
            sum += std::pow(mean / static_cast<double>(width), 2);
          }
          for (int64_t q = 0; q < width; ++q) {
            double mean = 0;
            for (int64_t r = 0; r < height; ++r) mean += difference(i * height + r, j * width + q, k);
            sum += std::pow(mean / static_cast<double>(height), 2);
          }
        }
      }
    }
  }
  return std::sqrt(sum);
}

TEST(LocalPod, IsTheMeanOfTheDistancesByHand) {
  for (const Shape& shape : {Shape{3, 9, 7, 5}, Shape{2, 4, 17, 66}}) {
    const Array a = RandomArray(shape, autograd::kFloat64, RandomKey(1), -2, 2);
    const Array b = RandomArray(shape, autograd::kFloat64, RandomKey(2), -2, 2);
    double expected = 0;
    for (int64_t i = 0; i < shape[0]; ++i) {
      expected += ByHand(a.Slice(i, i + 1).ToVector<double>(), b.Slice(i, i + 1).ToVector<double>(), shape[1], shape[2],
                         shape[3], {1, 2, 4}) /
                  static_cast<double>(shape[0]);
    }
    autograd::testing::OnEachDevice([&] {
      autograd::Stream& here = autograd::Stream::Current();
      EXPECT_NEAR(LocalPod(Variable(a.To(here)), b.To(here)).Item(), expected, 1e-12 * expected);
    });
  }
}

// The norm has no derivative at 0; that of the other image is not touched.
TEST(LocalPod, EqualMapsGetNoGradient) {
  autograd::testing::OnEachDevice([] {
    autograd::Stream& here = autograd::Stream::Current();
    const Array a = RandomArray({2, 4, 4, 3}, autograd::kFloat32, RandomKey(1));
    std::vector<float> values = a.ToVector<float>();
    values.back() += 1;
    const Array b = Array::From({2, 4, 4, 3}, values);
    Tape tape;
    const Variable x = tape.Watch(a.To(here));
    tape.Backward(LocalPod(x, b));
    const std::vector<float> gradient = tape.Gradient(x).ToVector<float>();
    for (size_t i = 0; i < gradient.size() / 2; ++i) EXPECT_EQ(gradient[i], 0) << i;
    for (const float value : gradient) EXPECT_TRUE(std::isfinite(value));
    EXPECT_NE(gradient.back(), 0);
  });
}

// Bfloat16 maps are widened before anything is computed, and only the gradient is rounded.
TEST(LocalPod, OfBFloat16IsThatOfTheSameNumbers) {
  const Array narrow[] = {RandomArray({2, 5, 6, 7}, autograd::kBFloat16, RandomKey(1)),
                          RandomArray({2, 5, 6, 7}, autograd::kBFloat16, RandomKey(2))};
  Array wide[2];
  for (int i = 0; i < 2; ++i) {
    std::vector<float> values;
    for (const autograd::BFloat16 value : narrow[i].ToVector<autograd::BFloat16>())
      values.push_back(static_cast<float>(value));
    wide[i] = Array::From({2, 5, 6, 7}, values);
  }
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    Tape tape;
    const Variable x = tape.Watch(narrow[0].To(here)), y = tape.Watch(wide[0].To(here));
    const Variable of_narrow = LocalPod(x, narrow[1].To(here)), of_wide = LocalPod(y, wide[1].To(here));
    EXPECT_EQ(of_narrow.dtype(), autograd::kFloat32);
    EXPECT_EQ(of_narrow.Item(), of_wide.Item());
    tape.Backward(autograd::Add(of_narrow, of_wide));
    const auto rounded = tape.Gradient(x).ToVector<autograd::BFloat16>();
    const auto gradient = tape.Gradient(y).ToVector<float>();
    for (size_t i = 0; i < gradient.size(); ++i)
      EXPECT_EQ(static_cast<float>(rounded[i]), static_cast<float>(autograd::BFloat16(gradient[i]))) << i;
  });
}

TEST(LocalPod, KeepsTheMapAndItsMeans) {
  Tape tape;
  const Variable x = tape.Watch(Array::Zeros({1, 64, 64, 8}, autograd::kFloat32));
  LocalPod(x, Array::Full({1, 64, 64, 8}, autograd::kFloat32, 1));
  EXPECT_LE(tape.SavedBytes(), (64 * 64 + 7 * 2 * 64) * 8 * 4 + 1024);
}

TEST(FoldNewLogits, AddsNewOnesToTheBackground) {
  const Array logits = Array::From<double>({1, 1, 2, 5}, {1, 2, 3, 4, 5, 10, 20, 30, 40, 50});
  EXPECT_EQ(FoldNewLogits(Variable(logits), 2).array().ToVector<double>(), (std::vector<double>{13, 2, 130, 20}));
  EXPECT_EQ(FoldNewLogits(Variable(logits), 1).array().ToVector<double>(), (std::vector<double>{15, 150}));
  EXPECT_EQ(FoldNewLogits(Variable(logits), 5).array().ToVector<double>(), logits.ToVector<double>());
}

TEST(LocalPod, Misuse) {
  const Array map = Array::Zeros({1, 4, 3, 2}, autograd::kFloat32);
  ExpectError([&] { LocalPod(Variable(map), map); }, "LocalPod: scale 4 of a map [1, 4, 3, 2]");
  ExpectError([&] { LocalPod(Variable(map), map, {}); }, "0 scales");
  ExpectError(
      [&] {
        LocalPod(Variable(map), Array::Zeros({1, 4, 3, 5}, autograd::kFloat32));
      },
      "c is 2 in new_map [1, 4, 3, 2] but 5 in old_map");
  ExpectError([&] { FoldNewLogits(Variable(map), 3); }, "3 old classes in logits [1, 4, 3, 2]");
  const std::vector<Variable> none;
  ExpectError([&] { PlopDistillation(none, Variable(map), {}, map); }, "no new classes");
}

}  // namespace
}  // namespace seg
