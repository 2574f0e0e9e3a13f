#include "seg/continual/classifier_rule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"

namespace seg {
namespace {

using autograd::Array;

// Softmax of weight·x + bias.
std::vector<double> Probabilities(const ClassifierParameters& classifier, const std::vector<double>& x) {
  const std::vector<double> weight = classifier.weight.ToVector<double>(), bias = classifier.bias.ToVector<double>();
  std::vector<double> p;
  double sum = 0;
  for (size_t k = 0; k < bias.size(); ++k) {
    double logit = bias[k];
    for (size_t i = 0; i < x.size(); ++i) logit += weight[k * x.size() + i] * x[i];
    p.push_back(std::exp(logit));
    sum += p.back();
  }
  for (double& value : p) value /= sum;
  return p;
}

TEST(AddClasses, SplitsTheBackgroundEvenlyAndKeepsTheOthers) {
  const std::vector<double> x = {0.3, -1.2, 2.0};
  const ClassifierParameters old{Array::From<double>({3, 3}, {0.5, -0.25, 1, 2, 0.125, -1, 0.75, 1.5, -0.5}),
                                 Array::From<double>({3}, {0.25, -0.5, 1})};
  for (const int64_t added : {1, 5, 50}) {
    const ClassifierParameters extended = AddClasses(old.weight, old.bias, added);
    const std::vector<double> before = Probabilities(old, x), after = Probabilities(extended, x);
    ASSERT_EQ(after.size(), 3 + static_cast<size_t>(added));
    // Of each probability: a few roundings of exponentials near 1.
    EXPECT_NEAR(after[1], before[1], 1e-14);
    EXPECT_NEAR(after[2], before[2], 1e-14);
    const double share = before[0] / (static_cast<double>(added) + 1);
    EXPECT_NEAR(after[0], share, 1e-14);
    for (size_t k = 3; k < after.size(); ++k) EXPECT_NEAR(after[k], share, 1e-14);
  }
}

TEST(AddClasses, InFloat32OnEachDevice) {
  autograd::testing::OnEachDevice([] {
    const ClassifierParameters extended =
        AddClasses(Array::From<float>({2, 2}, {1, 2, 3, 4}), Array::From<float>({2}, {0.5f, -1}), 2);
    EXPECT_EQ(extended.weight.shape(), autograd::Shape({4, 2}));
    EXPECT_EQ(extended.weight.ToVector<float>(), (std::vector<float>{1, 2, 3, 4, 1, 2, 1, 2}));
    const auto b = static_cast<float>(0.5 - std::log(3.0));
    EXPECT_EQ(extended.bias.ToVector<float>(), (std::vector<float>{b, -1, b, b}));
  });
}

TEST(AddClasses, Misuse) {
  const Array weight = Array::Zeros({2, 3}, autograd::kFloat32), bias = Array::Zeros({2}, autograd::kFloat32);
  autograd::testing::ExpectError([&] { AddClasses(weight, bias, 0); }, "0 new classes for weight [2, 3]");
  autograd::testing::ExpectError([&] { AddClasses(weight, Array::Zeros({3}, autograd::kFloat32), 1); },
                                 "classes is 2 in weight [2, 3] but 3 in bias [3]");
  autograd::testing::ExpectError(
      [&] {
        AddClasses(Array::Zeros({2, 3}, autograd::kBFloat16), Array::Zeros({2}, autograd::kBFloat16), 1);
      },
      "needs float32 or float64");
}

}  // namespace
}  // namespace seg
