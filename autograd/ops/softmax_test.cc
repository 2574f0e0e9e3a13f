#include "autograd/ops/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::InputSpec;
using testing::OpCase;
using testing::RandomArray;

// A gradient is y·(dy − Σ y·dy): of two classes no more than a fifth of y·Σ y·dy, which has the rounding of y. That of
// a log-softmax is dy − exp(y)·Σ dy, where a y of −8.5 is off by as many unit roundoffs.
constexpr double kTerms = 6;

OpCase Case(const std::string& name, Variable (*function)(const Variable&), Shape shape) {
  return OpCase{name,  [function](Inputs v) { return function(v[0]); }, {InputSpec{shape, -4, 4}}, 1e-6, 1e-4, true,
                kTerms};
}

OP_CONTRACT(Softmax, Case("Classes", Softmax, {3, 4, 19}), Case("OneClass", Softmax, {5, 1}),
            Case("TwoClasses", Softmax, {9001, 2}), Case("LongRow", Softmax, {3, 5003}), Case("Vector", Softmax, {8}),
            Case("HundredClasses", Softmax, {37, 150}), Case("Packs", Softmax, {11, 72}),
            Case("LongRowOfPacks", Softmax, {3, 4096}), Case("NoRows", Softmax, {0, 4}),
            Case("NoClasses", Softmax, {3, 0}));
OP_CONTRACT(LogSoftmax, Case("Classes", LogSoftmax, {3, 4, 19}), Case("TwoClasses", LogSoftmax, {9001, 2}),
            Case("LongRow", LogSoftmax, {3, 5003}), Case("Vector", LogSoftmax, {8}),
            Case("HundredClasses", LogSoftmax, {37, 150}), Case("Packs", LogSoftmax, {11, 72}),
            Case("NoRows", LogSoftmax, {0, 4}));

TEST(SoftmaxTest, ClosedForm) {
  const Variable x(Array::From<double>({2, 3}, {0, std::log(2.0), std::log(5.0), 1000, 1000, 1000 + std::log(2.0)}));
  const std::vector<double> y = Softmax(x).array().ToVector<double>(), log_y = LogSoftmax(x).array().ToVector<double>();
  const double expected[] = {0.125, 0.25, 0.625, 0.25, 0.25, 0.5};
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(y[i], expected[i], 1e-12);
    EXPECT_NEAR(log_y[i], std::log(expected[i]), 1e-12);
  }
}

TEST(SoftmaxTest, ExtremeLogits) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::unique_ptr<Stream> emulated = cuda_emulator::OpenEmulatedStream();
  for (Stream* const stream : {&Stream::Cpu(), emulated.get()}) {
    StreamScope scope(*stream);
    const Variable x(Array::From<float>({2, 3}, {-infinity, 0, 0, 3e38f, -3e38f, 0}));
    const std::vector<float> y = Softmax(x).array().ToVector<float>(), log_y = LogSoftmax(x).array().ToVector<float>();
    const float expected[] = {0, 0.5, 0.5, 1, 0, 0};
    for (int i = 0; i < 6; ++i) EXPECT_NEAR(y[i], expected[i], 1e-7) << i;
    EXPECT_EQ(log_y[0], -infinity);
    EXPECT_EQ(log_y[3], 0);
    const Variable undefined(Array::From<float>({2, 3}, {0, NAN, 1, -infinity, -infinity, -infinity}));
    for (float value : Softmax(undefined).array().ToVector<float>()) EXPECT_TRUE(std::isnan(value));
  }
}

TEST(SoftmaxTest, ThreadCountDoesNotChangeABit) {
  const Array x = RandomArray({3001, 21}, kFloat32, RandomKey(1));
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable v = tape.Watch(x);
    tape.Backward(Softmax(v), x);
    return std::vector<Array>{tape.Gradient(v)};
  }));
}

TEST(SoftmaxTest, Misuse) {
  ExpectError(
      [] {
        Softmax(Variable(Array::Zeros({2, 3}, kInt32)));
      },
      "Softmax: needs a floating dtype, not int32 [2, 3]");
  ExpectError([] { LogSoftmax(Variable(Array::Zeros({}, kFloat32))); }, "LogSoftmax: x has shape [] but must be");
}

}  // namespace
}  // namespace autograd
