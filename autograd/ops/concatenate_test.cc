#include "autograd/ops/concatenate.h"

#include <gtest/gtest.h>

#include <numeric>

#include "autograd/ops/elementwise.h"
#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::InputSpec;
using testing::OnEachDevice;
using testing::OpCase;

std::vector<Variable> List(Inputs x) { return {x.begin(), x.end()}; }

OpCase Join(const std::string& name, int axis, std::vector<InputSpec> inputs) {
  return OpCase{name, [axis](Inputs x) { return Concatenate(List(x), axis); }, std::move(inputs), 1e-6, 1e-4, true};
}

OpCase Cut(const std::string& name, Shape shape, int axis, int64_t begin, int64_t end) {
  return OpCase{name, [=](Inputs x) { return Slice(x[0], axis, begin, end); }, {{shape}}, 1e-6, 1e-4, true};
}

OpCase Border(const std::string& name, Shape shape, Margins margins) {
  return OpCase{name, [=](Inputs x) { return Pad(x[0], margins, 0.5); }, {{shape}}, 1e-6, 1e-4, true};
}

OP_CONTRACT(
    Concatenate, Join("Channels", -1, {{{2, 3, 4, 5}}, {{2, 3, 4, 1}}, {{2, 3, 4, 7}}}),
    Join("ChannelPacks", -1, {{{2, 3, 8}}, {{2, 3, 16}}}), Join("Rows", 0, {{{2, 3}}, {{5, 3}}}),
    Join("Middle", 1, {{{3, 2, 5}}, {{3, 1, 5}}}), Join("Single", 0, {{{3}}}),
    Join("WithAnEmptyOne", 1, {{{3, 0}}, {{3, 2}}}), Join("AllEmpty", 1, {{{0, 2}}, {{0, 3}}}),
    Join("MoreThanAGroup", 1, std::vector<InputSpec>(61, {{2, 3}})),
    OpCase{"SameInputTwice",
           [](Inputs x) {
             return Concatenate({x[0], x[0]}, 0);
           },
           {{{3, 2}}}},
    OpCase{"StackFirst", [](Inputs x) { return Stack(List(x), 0); }, {{{3, 4}}, {{3, 4}}, {{3, 4}}}, 1e-6, 1e-4, true},
    OpCase{"StackLast", [](Inputs x) { return Stack(List(x), -1); }, {{{3, 4}}, {{3, 4}}}},
    OpCase{"StackScalars", [](Inputs x) { return Stack(List(x), 0); }, {{{}}, {{}}}},
    Cut("SliceFirst", {5, 3}, 0, 1, 4), Cut("SliceLast", {2, 3, 7}, -1, 2, 5), Cut("SliceMiddle", {2, 5, 3}, 1, 4, 5),
    Cut("SliceNothing", {2, 5}, 1, 3, 3), Cut("SliceAll", {2, 5}, 1, 0, 5), Cut("SliceOfEmpty", {0, 5}, 1, 1, 2),
    OpCase{"SplitAndUseTwo",
           [](Inputs x) {
             const std::vector<Variable> parts = Split(x[0], 1, {3, 3, 1});
             return parts[0] * parts[1];
           },
           {{{4, 7}}}},
    Border("PadAll", {2, 3, 4, 5}, {1, 2, 3, 4}), Border("PadRightAndBottom", {1, 3, 3, 1}, {.bottom = 2, .right = 1}),
    Border("PadNothing", {1, 2, 2, 3}, {}), Border("PadPlane", {2, 3, 5}, {.top = 1}),
    Border("PadEmpty", {1, 0, 2, 2}, {.top = 1}));

Array Counting(Shape shape, int32_t first) {
  std::vector<int32_t> values(shape.size());
  std::iota(values.begin(), values.end(), first);
  return Array::From(shape, values);
}

TEST(ConcatenateTest, Values) {
  OnEachDevice([] {
    const Variable y = Concatenate({Counting({2, 2}, 0), Counting({2, 1}, 10), Counting({2, 3}, 20)}, 1);
    EXPECT_EQ(y.shape(), Shape({2, 6}));
    EXPECT_EQ(y.array().ToVector<int32_t>(), (std::vector<int32_t>{0, 1, 10, 20, 21, 22, 2, 3, 11, 23, 24, 25}));
    EXPECT_EQ(Stack({Counting({2}, 0), Counting({2}, 10)}, 1).array().ToVector<int32_t>(),
              (std::vector<int32_t>{0, 10, 1, 11}));
  });
}

TEST(ConcatenateTest, ManyInputsKeepTheirOrder) {
  std::vector<Variable> inputs;
  for (int i = 0; i < 1000; ++i) inputs.emplace_back(Counting({1, 2}, 2 * i));
  EXPECT_EQ(Concatenate(inputs, 0).array().ToVector<int32_t>(), Counting({2000}, 0).ToVector<int32_t>());
}

TEST(ConcatenateTest, SliceValues) {
  OnEachDevice([] {
    const Variable x(Counting({2, 3, 2}, 0));
    EXPECT_EQ(Slice(x, 1, 1, 3).array().ToVector<int32_t>(), (std::vector<int32_t>{2, 3, 4, 5, 8, 9, 10, 11}));
    EXPECT_EQ(Slice(x, 2, 1, 2).shape(), Shape({2, 3, 1}));
    EXPECT_TRUE(Slice(x, 0, 1, 2).array().SharesStorageWith(x.array()));
    EXPECT_EQ(Slice(x, 0, 1, 2).array().ToVector<int32_t>(), (std::vector<int32_t>{6, 7, 8, 9, 10, 11}));
  });
}

TEST(ConcatenateTest, SplitUndoesConcatenate) {
  const Array a = Counting({3, 2}, 0), b = Counting({3, 4}, 50);
  const std::vector<Variable> parts = Split(Concatenate({a, b}, 1), 1, {2, 4});
  EXPECT_EQ(parts[0].array().ToVector<int32_t>(), a.ToVector<int32_t>());
  EXPECT_EQ(parts[1].array().ToVector<int32_t>(), b.ToVector<int32_t>());
}

TEST(ConcatenateTest, PadOfLabels) {
  OnEachDevice([] {
    const Variable y = Pad(Variable(Array::From<uint8_t>({1, 1, 2}, {3, 4})), {.bottom = 1, .left = 1}, 255);
    EXPECT_EQ(y.shape(), Shape({1, 2, 3}));
    EXPECT_EQ(y.array().ToVector<uint8_t>(), (std::vector<uint8_t>{255, 3, 4, 255, 255, 255}));
  });
}

TEST(ConcatenateTest, Misuse) {
  const Variable x(Array::Zeros({2, 3}, kFloat32)), z(Array::Zeros({2, 4}, kFloat32));
  ExpectError([&] { Concatenate({x, z}, 0); }, "Concatenate: input 1 [2, 4] does not fit input 0 [2, 3] along axis 0");
  ExpectError([&] { Concatenate({x, Variable(Array::Zeros({2}, kFloat32))}, 0); }, "input 1 [2] does not fit");
  ExpectError(
      [&] {
        Concatenate({x, Variable(Array::Zeros({2, 3}, kInt32))}, 0);
      },
      "operands are float32 [2, 3] and int32 [2, 3]");
  ExpectError([&] { Concatenate({x}, 2); }, "Concatenate: axis 2 of x [2, 3]");
  ExpectError([] { Concatenate({}, 0); }, "Concatenate: needs an input");
  ExpectError([&] { Stack({x, z}, 0); }, "Stack: input 1 [2, 4] has not the shape of input 0 [2, 3]");
  ExpectError([&] { Stack({x}, 3); }, "Stack: axis 3 for inputs [2, 3]");
  ExpectError([&] { Slice(x, 1, 2, 4); }, "Slice: [2, 4) of axis 1 of x [2, 3]");
  ExpectError([&] { Split(x, 1, {1, 1}); }, "Split: extents add up to 2 but axis 1 of x [2, 3] has 3");
  ExpectError([&] { Split(x, 1, {4, -1}); }, "Slice: [0, 4) of axis 1");
  ExpectError([&] { Pad(x, {.top = 1}); }, "Pad: x has shape [2, 3]");
  ExpectError(
      [] {
        Pad(Variable(Array::Zeros({1, 2, 3}, kFloat32)), {.left = -1});
      },
      "Pad: negative margins 0, 0, -1, 0");
}

}  // namespace
}  // namespace autograd
