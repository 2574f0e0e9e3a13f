#include "autograd/ops/cast.h"

#include <gtest/gtest.h>

#include "autograd/testing/op_contract.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;

OP_CONTRACT(Cast, OpCase{"ToDouble", [](Inputs x) { return Cast(x[0], kFloat64); }, {{{3, 7}}}},
            OpCase{"Empty", [](Inputs x) { return Cast(x[0], kFloat64); }, {{{0, 7}}}});

TEST(CastTest, RoundsToNearestEven) {
  // bfloat16 keeps 8 significant bits: 257 and 259 lie halfway between multiples of 2.
  const Variable y = Cast(Variable(Array::From<float>({5}, {1, 257, 259, -257, 1e-40f})), kBFloat16);
  EXPECT_EQ(y.dtype(), kBFloat16);
  const std::vector<float> back = Cast(y, kFloat32).array().ToVector<float>();
  EXPECT_EQ(std::vector<float>(back.begin(), back.begin() + 4), (std::vector<float>{1, 256, 260, -256}));
  EXPECT_EQ(back[4], 0x1p-133f);  // the only subnormal near 1e-40
}

TEST(CastTest, GradientComesBackInTheInputsDtype) {
  Tape tape;
  const Variable x = tape.Watch(Array::From<float>({2}, {3, 4}));
  const Variable y = Cast(x, kBFloat16);
  const float upstream[] = {0.5f, -2.0f};
  tape.Backward(y, Array::From<BFloat16>({2}, {BFloat16(upstream[0]), BFloat16(upstream[1])}));
  EXPECT_EQ(tape.Gradient(x).ToVector<float>(), (std::vector<float>{0.5f, -2.0f}));
}

TEST(CastTest, SameDtypeIsTheInput) {
  const Variable x(Array::Zeros({2}, kFloat32));
  EXPECT_TRUE(Cast(x, kFloat32).array().SharesStorageWith(x.array()));
}

TEST(CastTest, ParameterIsConvertedOncePerVersion) {
  Parameter weight(Array::From<float>({2}, {1, 2}));
  const Array first = Cast(weight, kBFloat16).array();
  EXPECT_TRUE(Cast(weight, kBFloat16).array().SharesStorageWith(first));
  weight.mutable_value().data<float>()[0] = 5;
  weight.Changed();
  Tape tape;
  const Variable y = Cast(weight, kBFloat16);
  EXPECT_EQ(static_cast<float>(y.array().ToVector<BFloat16>()[0]), 5);
  tape.Backward(y, y.array());
  EXPECT_EQ(weight.gradient().ToVector<float>(), (std::vector<float>{5, 2}));
}

TEST(CastTest, Misuse) {
  ExpectError([] { Cast(Variable(Array::Zeros({2}, kInt32)), kFloat32); },
              "Cast: needs a floating dtype, not int32 [2]");
  ExpectError([] { Cast(Variable(Array::Zeros({2}, kFloat32)), kUInt8); }, "Cast: to a floating dtype only, not uint8");
  ExpectError([] { Cast(Variable(), kFloat32); }, "Cast: x is missing");
}

}  // namespace
}  // namespace autograd
