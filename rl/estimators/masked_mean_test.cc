#include "rl/estimators/masked_mean.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "autograd/collective/in_process.h"
#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::kFloat64;
using autograd::kUInt8;
using autograd::RandomKey;
using autograd::Shape;
using autograd::Tape;
using autograd::Variable;
using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::Inputs;
using autograd::testing::OnEachDevice;
using autograd::testing::OpCase;
using autograd::testing::RandomArray;

OpCase Case(const char* name, Shape x, Shape valid) {
  return OpCase{name, [](Inputs v) { return MaskedMean(v[0], v[1].array()); }, {{x}, {valid, 0, 3, false, kUInt8}}};
}

OP_CONTRACT(MaskedMean, Case("Positions", {3, 5, 7}, {3, 5, 7}), Case("Samples", {4, 3, 5, 7}, {3, 5, 7}),
            Case("SeveralChunks", {3, 9001}, {9001}),
            OpCase{"NoMask", [](Inputs v) { return MaskedMean(v[0], {}); }, {{{2, 8193}}}},
            OpCase{"GivenCount",
                   [](Inputs v) { return MaskedMean(v[0], v[1].array(), Array::Full({1}, kFloat64, 4.5)); },
                   {{{3, 5, 7}}, {{3, 5, 7}, 0, 3, false, kUInt8}}});

std::vector<uint8_t> RandomMask(int64_t size, uint64_t seed) {
  std::vector<uint8_t> mask(size);
  for (int64_t i = 0; i < size; ++i) mask[i] = autograd::Philox(RandomKey(seed), i).x % 3 == 0;
  return mask;
}

TEST(MaskedMeanTest, AgainstALoop) {
  const std::vector<uint8_t> mask = RandomMask(35, 1);
  const Array x = RandomArray({4, 5, 7}, kFloat64, RandomKey(2));
  double sum = 0, count = 0;
  for (int64_t i = 0; i < 4 * 35; ++i) {
    if (mask[i % 35] == 0) continue;
    sum += x.data<double>()[i];
    count += 1;
  }
  const Array valid = Array::From({5, 7}, mask);
  Tape tape;
  const Variable watched = tape.Watch(x);
  const Variable mean = MaskedMean(watched, valid);
  tape.Backward(mean);
  EXPECT_NEAR(mean.Item(), sum / count, 1e-15);
  for (int64_t i = 0; i < 4 * 35; ++i)
    EXPECT_DOUBLE_EQ(tape.Gradient(watched).ToVector<double>()[i], mask[i % 35] != 0 ? 1 / count : 0) << i;
  EXPECT_EQ(ValidPerRank(valid, {5, 7}, nullptr).Item(), count / 4);
}

// What does not count may be NaN, and where nothing counts the mean is 0.
void ExpectVoidContributesNothing() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (bool any : {true, false}) {
    const Array valid = Array::From<uint8_t>({3}, {0, static_cast<uint8_t>(any ? 1 : 0), 0});
    Tape tape;
    const Variable x = tape.Watch(Array::From<float>({2, 3}, {nan, 2, nan, nan, 5, nan}));
    const Variable mean = MaskedMean(x, valid);
    tape.Backward(mean);
    EXPECT_EQ(mean.Item(), any ? 3.5 : 0);
    const float each = any ? 0.5f : 0.0f;
    EXPECT_EQ(tape.Gradient(x).ToVector<float>(), (std::vector<float>{0, each, 0, 0, each, 0}));
  }
  const Variable nothing = MaskedMean(Array::Zeros({0, 3}, kFloat32), {});
  EXPECT_EQ(nothing.Item(), 0);
  EXPECT_EQ(ValidPerRank(Array::Zeros({0, 3}, kUInt8), {0, 3}, nullptr).Item(), 0);
}

TEST(MaskedMeanTest, VoidPositionsContributeNothing) { OnEachDevice(ExpectVoidContributesNothing); }

TEST(MaskedMeanTest, CountsInTheEmulator) {
  for (int64_t size : {1, 255, 20001}) {
    const std::vector<uint8_t> mask = RandomMask(size, 3);
    double expected = 0;
    for (uint8_t m : mask) expected += m;
    OnEachDevice([&] { EXPECT_EQ(ValidPerRank(Array::From({size}, mask), {size}, nullptr).Item(), expected); });
  }
}

TEST(MaskedMeanTest, OfBFloat16InFloat32) {
  const std::vector<uint8_t> mask = RandomMask(35, 1);
  const Array half = RandomArray({2, 35}, autograd::kBFloat16, RandomKey(2));
  std::vector<double> values;
  for (autograd::BFloat16 value : half.ToVector<autograd::BFloat16>()) values.push_back(static_cast<double>(value));
  const double expected = MaskedMean(Array::From({2, 35}, values), Array::From({35}, mask)).Item();
  const std::vector<autograd::BFloat16> halves = half.ToVector<autograd::BFloat16>();
  OnEachDevice([&] {
    Tape tape;
    const Variable x = tape.Watch(Array::From({2, 35}, halves));
    const Variable mean = MaskedMean(x, Array::From({35}, mask));
    tape.Backward(mean);
    EXPECT_EQ(mean.dtype(), kFloat32);
    EXPECT_EQ(mean.Item(), static_cast<double>(static_cast<float>(expected)));
    EXPECT_EQ(tape.Gradient(x).dtype(), autograd::kBFloat16);
  });
}

// Ranks with unequally many valid positions, one of them with none: the mean of their results and gradients is that of
// one rank with all.
TEST(MaskedMeanTest, TheMeanOfRanksIsTheMeanOfAllPositions) {
  const Array x = RandomArray({6, 5}, kFloat64, RandomKey(4));
  std::vector<uint8_t> mask = RandomMask(30, 5);
  for (int i = 10; i < 20; ++i) mask[i] = 0;
  const Array valid = Array::From({6, 5}, mask);
  Tape tape;
  const Variable whole = tape.Watch(x);
  const Variable mean = MaskedMean(whole, valid);
  tape.Backward(mean);
  const Array expected = tape.Gradient(whole);
  autograd::RunRanks(3, [&](autograd::Collective& collective) {
    const int64_t begin = collective.rank() * 2, end = begin + 2;
    Tape own_tape;
    const Variable own = own_tape.Watch(x.Slice(begin, end));
    const Variable part = MaskedMean(own, valid.Slice(begin, end), &collective);
    own_tape.Backward(part);
    double sum[1] = {part.Item()};
    collective.AllReduceSum(sum);
    EXPECT_NEAR(sum[0] / 3, mean.Item(), 1e-15);
    Array third = own_tape.Gradient(own);
    for (int64_t i = 0; i < third.size(); ++i) third.data<double>()[i] /= 3;
    EXPECT_TRUE(AllClose(third, expected.Slice(begin, end), 1e-15));
  });
}

TEST(MaskedMeanTest, ThePositionsOfUnmaskedRanksAreCounted) {
  autograd::RunRanks(2, [](autograd::Collective& collective) {
    EXPECT_EQ(ValidPerRank({}, {collective.rank() == 0 ? 1 : 4, 2}, &collective).Item(), 5);
  });
}

TEST(MaskedMeanTest, Misuse) {
  const Array x = Array::Zeros({2, 3}, kFloat32);
  ExpectError([&] { MaskedMean(x, Array::Zeros({2}, kUInt8)); }, "valid [2] for x [2, 3]");
  ExpectError([&] { MaskedMean(x, Array::Zeros({2, 3}, kFloat32)); }, "valid");
  ExpectError([&] { MaskedMean(x, {}, Array::Zeros({2}, kFloat64)); }, "count is [2]");
  ExpectError([&] { ValidPerRank(Array::Zeros({2}, kUInt8), {3}, nullptr); }, "valid [2] for positions [3]");
}

}  // namespace
}  // namespace rl
