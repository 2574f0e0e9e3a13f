#include "autograd/ops/matmul.h"

#include <gtest/gtest.h>

#include "autograd/testing/op_contract.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;

OpCase Case(const std::string& name, Shape a, Shape b, bool transpose_a = false, bool transpose_b = false) {
  return OpCase{name, [=](Inputs x) { return MatMul(x[0], x[1], transpose_a, transpose_b); }, {{a}, {b}}, 1e-6, 1e-4,
                true};
}

OP_CONTRACT(MatMul, Case("Plain", {3, 5}, {5, 7}), Case("TransposedFirst", {5, 3}, {5, 7}, true),
            Case("TransposedSecond", {3, 5}, {7, 5}, false, true), Case("BothTransposed", {5, 3}, {7, 5}, true, true),
            Case("Batch", {2, 3, 4, 5}, {2, 3, 5, 7}), Case("BatchTransposedFirst", {3, 5, 4}, {3, 5, 7}, true),
            Case("BatchTransposedSecond", {3, 4, 5}, {3, 7, 5}, false, true),
            Case("BatchBothTransposed", {3, 5, 4}, {3, 7, 5}, true, true), Case("Shared", {2, 3, 4, 5}, {5, 7}),
            Case("SharedTransposedFirst", {3, 5, 4}, {5, 7}, true),
            Case("SharedTransposedSecond", {3, 4, 5}, {7, 5}, false, true),
            Case("SharedBothTransposed", {3, 5, 4}, {7, 5}, true, true), Case("One", {1, 1}, {1, 1}),
            Case("Column", {5, 3}, {3, 1}), Case("NoRows", {0, 3}, {3, 2}), Case("NoInner", {3, 0}, {0, 2}),
            Case("NoBatch", {0, 3, 2}, {2, 2}), Case("CutIntoTiles", {401, 31}, {31, 419}),
            Case("LongInner", {4100, 33}, {4100, 65}, true),
            OpCase{"Square", [](Inputs x) { return MatMul(x[0], x[0], true); }, {{{5, 4}}}});

TEST(MatMulTest, SmallNumbers) {
  const Variable a(Array::From<float>({2, 3}, {1, 2, 3, 4, 5, 6})),
      b(Array::From<float>({3, 2}, {7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(MatMul(a, b).array().ToVector<float>(), (std::vector<float>{58, 64, 139, 154}));
  EXPECT_EQ(MatMul(a, a, false, true).array().ToVector<float>(), (std::vector<float>{14, 32, 32, 77}));
}

TEST(MatMulTest, Misuse) {
  const Variable a(Array::Zeros({2, 3}, kFloat32)), b(Array::Zeros({4, 2}, kFloat32)),
      c(Array::Zeros({3, 2}, kFloat64)), d(Array::Zeros({5, 4, 3}, kFloat32)), e(Array::Zeros({6, 3, 2}, kFloat32)),
      f(Array::Zeros({3, 2}, kInt32)), g(Array::Zeros({2, 3}, kInt32));
  ExpectError([&] { MatMul(a, b); }, "MatMul: k is 3 in a [2, 3] but 4 in b [4, 2]");
  ExpectError([&] { MatMul(a, c); }, "MatMul");
  ExpectError([&] { MatMul(d, e); }, "leading dimensions are [6] in b [6, 3, 2] but [5] in a [5, 4, 3]");
  ExpectError([&] { MatMul(g, f); }, "needs a floating dtype");
}

}  // namespace
}  // namespace autograd
