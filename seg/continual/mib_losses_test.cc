#include "seg/continual/mib_losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;
using autograd::testing::ExpectError;
using autograd::testing::InputSpec;
using autograd::testing::OpCase;
using autograd::testing::RandomArray;

std::vector<uint8_t> Labels(int64_t count, int64_t classes) {
  std::vector<uint8_t> labels(count);
  for (size_t i = 0; i < labels.size(); ++i)
    labels[i] = i % 5 == 3 ? 255 : static_cast<uint8_t>(i * i % static_cast<size_t>(classes));
  return labels;
}

OpCase CrossEntropyCase(const char* name, const autograd::Shape& logits, int64_t height, int64_t width,
                        int64_t old_classes, autograd::PixelMean mean = autograd::PixelMean::kOverAll) {
  return OpCase{
      name,
      [=](autograd::testing::Inputs v) {
        const Array labels = Array::From({logits[0], height, width}, Labels(logits[0] * height * width, logits[3]));
        return UnbiasedCrossEntropy(v[0], labels, old_classes, mean);
      },
      {InputSpec{logits, -3, 3}}};
}

OP_CONTRACT(UnbiasedCrossEntropy, CrossEntropyCase("Larger", {2, 3, 4, 7}, 9, 11, 4),
            CrossEntropyCase("OneOldClass", {2, 5, 4, 3}, 5, 4, 1),
            CrossEntropyCase("NoNewClass", {1, 5, 4, 3}, 5, 4, 3),
            CrossEntropyCase("OverValid", {3, 3, 4, 5}, 9, 11, 3, autograd::PixelMean::kOverValid));

OpCase DistillationCase(const char* name, const autograd::Shape& logits, const autograd::Shape& old_logits) {
  return OpCase{
      name,
      [](autograd::testing::Inputs v) { return UnbiasedDistillation(v[0], v[1].array(), 8, 9); },
      {InputSpec{logits, -3, 3}, InputSpec{.shape = old_logits, .low = -3, .high = 3, .differentiable = false}}};
}

OP_CONTRACT(UnbiasedDistillation, DistillationCase("Larger", {2, 3, 4, 7}, {2, 3, 4, 5}),
            DistillationCase("SameSize", {1, 8, 9, 4}, {1, 4, 3, 3}),
            DistillationCase("OneOldClass", {2, 3, 4, 3}, {2, 3, 4, 1}),
            DistillationCase("NoNewClass", {2, 3, 4, 3}, {2, 3, 4, 3}));

// Probabilities of one pixel, in float64.
std::vector<double> Softmax(const double* logits, int64_t classes) {
  std::vector<double> p;
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(logits[c]);
  for (int64_t c = 0; c < classes; ++c) p.push_back(std::exp(logits[c]) / sum);
  return p;
}

TEST(UnbiasedCrossEntropy, IsTheFormulaByHand) {
  const int64_t classes = 6, old_classes = 4, pixels = 20;
  const Array logits = RandomArray({1, 4, 5, classes}, autograd::kFloat64, RandomKey(1), -4, 4);
  const std::vector<double> x = logits.ToVector<double>();
  const std::vector<uint8_t> labels = Labels(pixels, classes);
  double sum = 0, valid = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    if (labels[i] == 255) continue;
    const std::vector<double> p = Softmax(x.data() + i * classes, classes);
    sum -= std::log(labels[i] < old_classes ? p[0] + p[1] + p[2] + p[3] : p[labels[i]]);
    ++valid;
  }
  const Array label_map = Array::From({1, 4, 5}, labels);
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    const Variable own = logits.To(here);
    EXPECT_NEAR(UnbiasedCrossEntropy(own, label_map.To(here), old_classes).Item(), sum / pixels, 1e-12);
    EXPECT_NEAR(UnbiasedCrossEntropy(own, label_map.To(here), old_classes, autograd::PixelMean::kOverValid).Item(),
                sum / valid, 1e-12);
  });
}

TEST(UnbiasedDistillation, IsTheFormulaByHand) {
  const int64_t classes = 6, old_classes = 4, pixels = 20;
  const Array logits = RandomArray({1, 4, 5, classes}, autograd::kFloat64, RandomKey(1), -4, 4);
  const Array old_logits = RandomArray({1, 4, 5, old_classes}, autograd::kFloat64, RandomKey(2), -4, 4);
  const std::vector<double> x = logits.ToVector<double>(), old = old_logits.ToVector<double>();
  double sum = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    std::vector<double> p = Softmax(x.data() + i * classes, classes);
    const std::vector<double> q = Softmax(old.data() + i * old_classes, old_classes);
    p[0] += p[4] + p[5];
    for (int64_t c = 0; c < old_classes; ++c) sum -= q[c] * std::log(p[c]);
  }
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    EXPECT_NEAR(UnbiasedDistillation(Variable(logits.To(here)), old_logits.To(here), 4, 5).Item(),
                sum / static_cast<double>(pixels * old_classes), 1e-12);
  });
}

TEST(MibLosses, Misuse) {
  const Array logits = Array::Zeros({1, 2, 2, 3}, autograd::kFloat32),
              labels = Array::Zeros({1, 4, 4}, autograd::kUInt8);
  ExpectError([&] { UnbiasedCrossEntropy(logits, labels, 4); }, "4 old classes in logits [1, 2, 2, 3]");
  ExpectError(
      [&] {
        UnbiasedDistillation(logits, Array::Zeros({1, 2, 2, 4}, autograd::kFloat32), 4, 4);
      },
      "old_logits [1, 2, 2, 4] for logits [1, 2, 2, 3]");
}

}  // namespace
}  // namespace seg
