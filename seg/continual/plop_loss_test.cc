#include "seg/continual/plop_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Variable;
using autograd::testing::ExpectError;
using autograd::testing::InputSpec;
using autograd::testing::OpCase;

// Labels below `classes`, and one value more that stands for void.
OpCase Case(const char* name, const autograd::Shape& logits, int64_t height, int64_t width, autograd::PixelMean mean) {
  const int64_t classes = logits[3];
  return OpCase{
      name,
      [=](autograd::testing::Inputs v) {
        std::vector<uint8_t> labels(logits[0] * height * width);
        std::vector<float> factor(logits[0]);
        for (size_t i = 0; i < labels.size(); ++i) labels[i] = i % 5 == 3 ? 255 : static_cast<uint8_t>(i * i % classes);
        for (size_t i = 0; i < factor.size(); ++i) factor[i] = 0.25f * static_cast<float>(i);
        return PlopLoss(v[0], Array::From({logits[0], height, width}, labels), Array::From({logits[0]}, factor), mean);
      },
      {InputSpec{logits, -3, 3}}};
}

OP_CONTRACT(PlopLoss, Case("Larger", {3, 3, 4, 5}, 9, 11, autograd::PixelMean::kOverAll),
            Case("SameSize", {2, 5, 4, 7}, 5, 4, autograd::PixelMean::kOverAll),
            Case("OverValid", {3, 3, 4, 5}, 9, 11, autograd::PixelMean::kOverValid));

// Two images of two pixels; of the first one pixel is void. The logits of class 1 are 0, those of class 0 are 0 and l.
TEST(PlopLoss, ClosedForm) {
  const float l = 1.5f;
  const Array logits = Array::From<float>({2, 1, 2, 2}, {l, 0, l, 0, 0, 0, l, 0});
  const Array labels = Array::From<uint8_t>({2, 1, 2}, {0, 255, 1, 1});
  const double right = std::log(1 + std::exp(-l)), wrong = std::log(1 + std::exp(l)), even = std::log(2);
  autograd::testing::OnEachDevice([&] {
    autograd::Stream& here = autograd::Stream::Current();
    const Array factor = Array::From<float>({2}, {0.5f, 0.25f});
    const double sum = 0.5 * right + 0.25 * (even + wrong);
    const Variable x = logits.To(here);
    EXPECT_NEAR(PlopLoss(x, labels.To(here), factor).Item(), sum / 4, 1e-6);
    EXPECT_NEAR(PlopLoss(x, labels.To(here), factor, autograd::PixelMean::kOverValid).Item(), sum / 3, 1e-6);
    EXPECT_EQ(PlopLoss(x, labels.To(here), Array::Zeros({2}, autograd::kFloat32)).Item(), 0);
    EXPECT_EQ(PlopLoss(x, Array::Full({2, 1, 2}, autograd::kUInt8, 255), factor).Item(), 0);
  });
}

TEST(PlopLoss, Misuse) {
  const Array logits = Array::Zeros({2, 2, 2, 3}, autograd::kFloat32),
              labels = Array::Zeros({2, 4, 4}, autograd::kUInt8);
  ExpectError([&] { PlopLoss(logits, labels, Array::Zeros({3}, autograd::kFloat32)); },
              "PlopLoss: n is 2 in logits [2, 2, 2, 3] but 3 in factor [3]");
  ExpectError(
      [&] {
        PlopLoss(logits, Array::Zeros({2, 4, 4}, autograd::kInt32), Array::Zeros({2}, autograd::kFloat32));
      },
      "labels must be uint8");
}

}  // namespace
}  // namespace seg
