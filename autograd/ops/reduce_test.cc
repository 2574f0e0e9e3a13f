#include "autograd/ops/reduce.h"

#include <gtest/gtest.h>

#include "autograd/testing/op_contract.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;

OpCase SumCase(const std::string& name, Shape shape, std::vector<int> axes, bool keep = false) {
  return OpCase{name, [axes, keep](Inputs x) { return Sum(x[0], axes, keep); }, {{shape}}, 1e-6, 1e-4, true};
}

OP_CONTRACT(Reduce, SumCase("All", {3, 4, 5}, {}), SumCase("Last", {7, 9}, {-1}), SumCase("First", {7, 9}, {0}),
            SumCase("Middle", {2, 3, 4, 5}, {1, 2}), SumCase("Apart", {2, 3, 4, 5}, {0, 2}),
            SumCase("Keep", {2, 3, 4}, {1}, true), SumCase("NothingLeftOut", {1, 1}, {0}),
            SumCase("SeveralChunks", {20001}, {}), SumCase("Channels", {4099, 3}, {0}),
            OpCase{"Mean",
                   [](Inputs x) {
                     return Mean(x[0], {1, 2});
                   },
                   {{{2, 3, 4, 5}}},
                   1e-6,
                   1e-4,
                   true},
            OpCase{"MeanAll", [](Inputs x) { return Mean(x[0]); }, {{{13}}}});

TEST(ReduceTest, Values) {
  const Variable x(Array::From<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(Sum(x, {0}).array().ToVector<float>(), (std::vector<float>{5, 7, 9}));
  EXPECT_EQ(Sum(x, {1}).array().ToVector<float>(), (std::vector<float>{6, 15}));
  EXPECT_EQ(Mean(x).Item(), 3.5);
  EXPECT_EQ(Sum(x, {1}, true).shape(), Shape({2, 1}));
  EXPECT_EQ(Sum(Variable(Array::Zeros({0, 4}, kFloat32)), {0}).array().ToVector<float>(), (std::vector<float>(4, 0)));
}

TEST(ReduceTest, SumToUndoesBroadcastTo) {
  const Array x = Array::From<float>({2, 1, 3}, {1, 2, 3, 4, 5, 6});
  const Array wide = BroadcastTo(x, {4, 2, 5, 3});
  EXPECT_EQ(wide.ToVector<float>()[3 + 2], 3);
  EXPECT_EQ(SumTo(wide, {2, 1, 3}).ToVector<float>(), (std::vector<float>{20, 40, 60, 80, 100, 120}));
}

TEST(ReduceTest, Misuse) {
  ExpectError([] { Mean(Variable(Array::Zeros({0}, kFloat32))); }, "Mean: of no elements: [0]");
  ExpectError([] { Sum(Variable(Array::Zeros({2}, kFloat32)), {1}); }, "axis 1 of [2]");
  ExpectError([] { SumTo(Array::Zeros({2, 3}, kFloat32), {2}); }, "SumTo: [2] does not broadcast to [2, 3]");
}

}  // namespace
}  // namespace autograd
