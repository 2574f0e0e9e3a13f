#include "autograd/ops/group_norm.h"

#include <gtest/gtest.h>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/layer_norm.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::AllClose;
using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;
using testing::RandomArray;

OpCase Case(const std::string& name, Shape shape, int64_t groups, bool relu = false) {
  const int64_t c = shape[-1];
  return OpCase{name,
                [=](Inputs v) { return GroupNorm(v[0], v[1], v[2], groups, 1e-3, relu); },
                {{shape}, {{c}}, {{c}}},
                1e-6,
                2e-4,
                !relu};
}

OP_CONTRACT(GroupNorm, Case("ThreeGroups", {2, 3, 5, 9}, 3), Case("OneGroup", {3, 4, 7}, 1),
            Case("EachChannel", {2, 5, 3, 8}, 8), Case("NoSpace", {3, 12}, 2), Case("SeveralChunks", {2, 67, 67, 4}, 2),
            Case("WideChannels", {1, 3, 1040}, 16), Case("NoImages", {0, 3, 4}, 2), Case("NoPixels", {2, 0, 4}, 2),
            Case("Packs", {2, 300, 48}, 6), Case("ManyImages", {600, 2, 6}, 3), Case("Relu", {2, 4, 4, 16}, 4, true));

TEST(GroupNormTest, ClosedForm) {
  // Two images, groups {0, 1} and {2, 3}; the values of a group are 1 … 4 (variance 1.25) or constant.
  const Variable x(Array::From<float>({2, 2, 4}, {1, 2, 5, 5, 3, 4, 5, 5, 7, 7, 1, 2, 7, 7, 3, 4}));
  const Variable gamma(Array::From<float>({4}, {1, 2, 1, 1})), beta(Array::From<float>({4}, {0, 0, 10, 0}));
  const std::vector<float> y = GroupNorm(x, gamma, beta, 2, 1.0).array().ToVector<float>();
  const float expected[] = {-1, -2.0f / 3, 10, 0, 1.0f / 3, 2, 10, 0, 0, 0, 9, -1.0f / 3, 0, 0, 10 + 1.0f / 3, 1};
  for (int i = 0; i < 16; ++i) EXPECT_NEAR(y[i], expected[i], 2e-6) << i;
}

TEST(GroupNormTest, OneGroupWithoutSpaceIsLayerNorm) {
  const Array x = RandomArray({5, 24}, kFloat32, RandomKey(1)), gamma = RandomArray({24}, kFloat32, RandomKey(2)),
              beta = RandomArray({24}, kFloat32, RandomKey(3));
  EXPECT_TRUE(AllClose(GroupNorm(x, gamma, beta, 1).array(), LayerNorm(x, gamma, beta, 1e-5).array(), 1e-6));
}

TEST(GroupNormTest, ReluFusedIsReluBehind) {
  const Array x = RandomArray({2, 5, 12}, kFloat32, RandomKey(1)), dy = RandomArray({2, 5, 12}, kFloat32, RandomKey(2)),
              gamma = RandomArray({12}, kFloat32, RandomKey(3)), beta = RandomArray({12}, kFloat32, RandomKey(4));
  std::vector<Array> results[2];
  for (int fused = 0; fused < 2; ++fused) {
    Tape tape;
    const Variable v = tape.Watch(x), g = tape.Watch(gamma), b = tape.Watch(beta);
    const Variable y = fused ? GroupNorm(v, g, b, 3, 1e-5, true) : Relu(GroupNorm(v, g, b, 3));
    tape.Backward(y, dy);
    results[fused] = {y.array(), tape.Gradient(v), tape.Gradient(g), tape.Gradient(b)};
  }
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(AllClose(results[1][i], results[0][i], 1e-6)) << i;
}

TEST(GroupNormTest, ThreadCountDoesNotChangeABit) {
  const Array x = RandomArray({3, 70, 70, 8}, kFloat32, RandomKey(1)), gamma = RandomArray({8}, kFloat32, RandomKey(2));
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable v = tape.Watch(x), g = tape.Watch(gamma);
    tape.Backward(GroupNorm(v, g, gamma, 4), x);
    return std::vector<Array>{tape.Gradient(v), tape.Gradient(g)};
  }));
}

TEST(GroupNormTest, Misuse) {
  const Variable x(Array::Zeros({2, 4, 6}, kFloat32)), six(Array::Zeros({6}, kFloat32)),
      four(Array::Zeros({4}, kFloat32));
  ExpectError([&] { GroupNorm(x, four, four, 2); }, "GroupNorm: c is 6 in x [2, 4, 6] but 4 in gamma [4]");
  ExpectError([&] { GroupNorm(x, six, six, 4); }, "GroupNorm: c is 6 in x [2, 4, 6], not a multiple of 4 groups");
  ExpectError([&] { GroupNorm(x, six, six, 0); }, "GroupNorm: c is 6 in x [2, 4, 6], not a multiple of 0 groups");
  ExpectError([&] { GroupNorm(six, six, six, 1); }, "GroupNorm: x has shape [6] but must be [ n ... c ]");
}

}  // namespace
}  // namespace autograd
