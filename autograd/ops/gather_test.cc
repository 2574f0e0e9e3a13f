#include "autograd/ops/gather.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::InputSpec;
using testing::OnEachDevice;
using testing::OpCase;

InputSpec Indices(Shape shape, double bound, DType dtype) {
  return InputSpec{.shape = shape, .low = 0, .high = bound, .integer = dtype};
}

OpCase Rows(const std::string& name, Shape table, Shape indices, DType dtype) {
  const double rows = static_cast<double>(table[0]);
  return OpCase{
      name, [](Inputs x) { return Gather(x[0], x[1].array()); }, {{table}, Indices(indices, rows, dtype)}, 1e-6, 1e-4,
      true};
}

OpCase Last(const std::string& name, Shape x, Shape indices, DType dtype) {
  const double count = static_cast<double>(x[-1]);
  return OpCase{
      name, [](Inputs v) { return GatherLast(v[0], v[1].array()); }, {{x}, Indices(indices, count, dtype)}, 1e-6, 1e-4,
      true};
}

OP_CONTRACT(Gather, Rows("Embedding", {7, 11}, {2, 5}, kInt64), Rows("ManyOfFew", {3, 131}, {101}, kInt32),
            Rows("SeveralChunks", {3, 5}, {2100}, kInt32), Rows("WideRows", {4, 304}, {20}, kInt64),
            Rows("Bytes", {5, 4}, {3, 2, 2}, kUInt8), Rows("Scalars", {5}, {9}, kInt32),
            Rows("OneIndex", {5, 3}, {}, kInt64), Rows("NoIndices", {5, 3}, {0}, kInt64),
            Rows("EmptyRows", {5, 0}, {4}, kInt64), Rows("Blocks", {4, 3, 5}, {6}, kInt32),
            Last("LastOfMap", {2, 3, 5, 7}, {2, 3, 5}, kUInt8), Last("LastOfOne", {5, 1}, {5}, kInt64),
            Last("LastOfVector", {13}, {}, kInt32), Last("LastOfNone", {0, 4}, {0}, kInt32));

TEST(GatherTest, Values) {
  OnEachDevice([] {
    const Variable table(Array::From<float>({3, 2}, {0, 1, 10, 11, 20, 21}));
    const Variable y = Gather(table, Array::From<int32_t>({2, 2}, {2, 0, 1, 2}));
    EXPECT_EQ(y.shape(), Shape({2, 2, 2}));
    EXPECT_EQ(y.array().ToVector<float>(), (std::vector<float>{20, 21, 0, 1, 10, 11, 20, 21}));
    EXPECT_EQ(GatherLast(table, Array::From<uint8_t>({3}, {1, 0, 1})).array().ToVector<float>(),
              (std::vector<float>{1, 10, 21}));
  });
}

TEST(GatherTest, GradientSumsRepeatedRows) {
  OnEachDevice([] {
    Tape tape;
    const Variable table = tape.Watch(Array::Zeros({3, 2}, kFloat32));
    tape.Backward(Gather(table, Array::From<int64_t>({3}, {2, 0, 2})), Array::From<float>({3, 2}, {1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(tape.Gradient(table).ToVector<float>(), (std::vector<float>{3, 4, 0, 0, 6, 8}));
  });
}

TEST(GatherTest, GradientIsTheSameForAnyThreadCount) {
  std::vector<int32_t> indices;
  for (int i = 0; i < 4001; ++i) indices.push_back(static_cast<int32_t>(Philox(RandomKey(1), i).x % 17));
  const Array rows = testing::RandomArray({4001, 300}, kFloat32, RandomKey(2));
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable table = tape.Watch(Array::Zeros({17, 300}, kFloat32));
    tape.Backward(Gather(table, Array::From({4001}, indices)), rows);
    return std::vector<Array>{tape.Gradient(table)};
  }));
}

// Against std::max_element, which also returns the first of equal values.
TEST(GatherTest, ArgMaxOfManyWidths) {
  OnEachDevice([] {
    for (int64_t count : {1, 2, 7, 19, 31, 32, 33, 39, 40, 64, 151, 300}) {
      // Few different values, so that there are ties in every lane.
      std::vector<float> values;
      for (int64_t i = 0; i < 50 * count; ++i) values.push_back(static_cast<float>(Philox(RandomKey(7), i).x % 5));
      const Array x = Array::From({2, 25, count}, values);
      const std::vector<int32_t> y = ArgMax(x).ToVector<int32_t>();
      for (int64_t row = 0; row < 50; ++row) {
        const auto begin = values.begin() + row * count;
        ASSERT_EQ(y[row], std::max_element(begin, begin + count) - begin) << count << " entries, row " << row;
      }
      if (count <= 256) {
        const std::vector<uint8_t> bytes = ArgMax(x, kUInt8).ToVector<uint8_t>();
        EXPECT_EQ(std::vector<int32_t>(bytes.begin(), bytes.end()), y);
      }
    }
  });
}

TEST(GatherTest, ArgMaxOfInfinities) {
  OnEachDevice([] {
    const float infinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(ArgMax(Array::Full({3, 40}, kFloat32, -infinity)).ToVector<int32_t>(), (std::vector<int32_t>{0, 0, 0}));
    EXPECT_EQ(ArgMax(Array::From<float>({1, 3}, {1, infinity, 2})).ToVector<int32_t>(), (std::vector<int32_t>{1}));
  });
}

TEST(GatherTest, OneHotValues) {
  OnEachDevice([] {
    const Array y = OneHot(Array::From<uint8_t>({3}, {1, 255, 0}), 2);
    EXPECT_EQ(y.shape(), Shape({3, 2}));
    EXPECT_EQ(y.ToVector<float>(), (std::vector<float>{0, 1, 0, 0, 1, 0}));
    EXPECT_EQ(OneHot(Array::From<int32_t>({2}, {-1, 1}), 2, kUInt8).ToVector<uint8_t>(),
              (std::vector<uint8_t>{0, 0, 0, 1}));
    EXPECT_EQ(ArgMax(OneHot(Array::From<int64_t>({3}, {4, 0, 2}), 5, kBFloat16)).ToVector<int32_t>(),
              (std::vector<int32_t>{4, 0, 2}));
  });
}

TEST(GatherTest, IndexOutsideIsNanOnCuda) {
  const std::unique_ptr<Stream> emulated = cuda_emulator::OpenEmulatedStream();
  StreamScope scope(*emulated);
  Tape tape;
  const Variable table = tape.Watch(Array::From<float>({2, 2}, {1, 2, 3, 4}));
  const Variable y = Gather(table, Array::From<int32_t>({3}, {1, -1, 2}));
  const std::vector<float> values = y.array().ToVector<float>();
  EXPECT_EQ(values[1], 4);
  for (int i = 2; i < 6; ++i) EXPECT_TRUE(std::isnan(values[i]));
  tape.Backward(y, Array::Full({3, 2}, kFloat32, 1));
  EXPECT_EQ(tape.Gradient(table).ToVector<float>(), (std::vector<float>{0, 0, 1, 1}));
  EXPECT_TRUE(std::isnan(GatherLast(table.Detach(), Array::From<uint8_t>({2}, {2, 0})).array().ToVector<float>()[0]));
}

TEST(GatherTest, Misuse) {
  const Variable table(Array::Zeros({3, 2}, kFloat32));
  ExpectError(
      [&] {
        Gather(table, Array::From<int32_t>({2}, {0, 3}));
      },
      "Gather: index 3 at position 1 is outside [0, 3)");
  ExpectError([&] { Gather(table, Array::From<int64_t>({1}, {-1})); },
              "Gather: index -1 at position 0 is outside [0, 3)");
  ExpectError([&] { Gather(table, Array::Zeros({2}, kFloat32)); },
              "Gather: indices must be int32, int64 or uint8, not float32 [2]");
  ExpectError([] { Gather(Variable(Array::Zeros({}, kFloat32)), Array::Zeros({2}, kInt32)); },
              "Gather: table needs rows");
  ExpectError([&] { GatherLast(table, Array::Zeros({2}, kInt32)); },
              "GatherLast: leading dimensions are [2] in indices [2] but [3] in x [3, 2]");
  ExpectError(
      [&] {
        GatherLast(table, Array::From<uint8_t>({3}, {0, 1, 2}));
      },
      "GatherLast: index 2 at position 2 is outside [0, 2)");
  ExpectError([&] { ArgMax(Array::Zeros({3, 0}, kFloat32)); }, "ArgMax: x [3, 0] has nothing to choose from");
  ExpectError([&] { ArgMax(Array::Zeros({3, 257}, kFloat32), kUInt8); }, "more than 256 entries for uint8");
  ExpectError(
      [&] {
        ArgMax(Array::Zeros({3, 2}, kFloat32), kFloat32);
      },
      "ArgMax: result must be int32, int64 or uint8, not float32");
  ExpectError([&] { OneHot(Array::Zeros({3}, kFloat32), 2); }, "OneHot: indices must be int32, int64 or uint8");
}

}  // namespace
}  // namespace autograd
