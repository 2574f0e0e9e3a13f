#include "autograd/collective/collective_contract.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace autograd::testing {
namespace {

// Values whose float sum depends on the order, different on every rank.
std::vector<float> Uneven(int rank, int64_t size) {
  std::vector<float> values(size);
  for (int64_t i = 0; i < size; ++i) {
    values[i] =
        (i % 3 == 0 ? 1e7f : 0.1f) * static_cast<float>(rank + 1) * (i % 2 == 0 ? 1.0f : -0.7f) + static_cast<float>(i);
  }
  return values;
}

void CheckSums(Collective& collective) {
  const int ranks = collective.world_size();
  for (int64_t size : {0, 1, 2, 7, 5000}) {
    std::vector<float> expected(size, 0.0f);
    for (int rank = 0; rank < ranks; ++rank) {
      const std::vector<float> part = Uneven(rank, size);
      for (int64_t i = 0; i < size; ++i) expected[i] += part[i];
    }
    Array values = Array::From(Shape{size}, Uneven(collective.rank(), size));
    collective.AllReduceSum(values);
    const std::vector<float> sums = values.ToVector<float>();
    EXPECT_TRUE(size == 0 || std::memcmp(sums.data(), expected.data(), size * sizeof(float)) == 0) << size << " values";
  }

  std::vector<double> doubles = {0.1 * collective.rank(), 1.0};
  collective.AllReduceSum(doubles);
  double tenths = 0;
  for (int rank = 0; rank < ranks; ++rank) tenths += 0.1 * rank;
  EXPECT_EQ(doubles, (std::vector<double>{tenths, static_cast<double>(ranks)}));

  Array integers = Array::From<int64_t>({2}, {collective.rank() + (int64_t{1} << 40), -1});
  collective.AllReduceSum(integers);
  EXPECT_EQ(integers.ToVector<int64_t>(),
            (std::vector<int64_t>{ranks * (int64_t{1} << 40) + ranks * (ranks - 1) / 2, -ranks}));

  // 1 + 2^-9 rounds to 1 in bfloat16: the sum must be taken in float32 and rounded at the end.
  Array halves = Array::From<BFloat16>({1}, {BFloat16(collective.rank() == 0 ? 1.0f : 0.001953125f)});
  collective.AllReduceSum(halves);
  EXPECT_EQ(static_cast<float>(halves.ToVector<BFloat16>()[0]),
            static_cast<float>(BFloat16(1.0f + 0.001953125f * static_cast<float>(ranks - 1))));
}

void CheckBroadcasts(Collective& collective) {
  for (int root = 0; root < collective.world_size(); ++root) {
    const auto value = static_cast<uint8_t>(10 * collective.rank() + 1);
    Array bytes = Array::From<uint8_t>({3}, {value, 7, value});
    collective.Broadcast(bytes, root);
    const auto expected = static_cast<uint8_t>(10 * root + 1);
    EXPECT_EQ(bytes.ToVector<uint8_t>(), (std::vector<uint8_t>{expected, 7, expected})) << "root " << root;
  }
}

void CheckGather(Collective& collective) {
  // Rank r brings r values.
  std::vector<double> own(collective.rank(), 0.1 * collective.rank()), expected;
  for (int rank = 0; rank < collective.world_size(); ++rank) expected.insert(expected.end(), rank, 0.1 * rank);
  EXPECT_EQ(GatherInRankOrder(collective, own), expected);
  EXPECT_TRUE(GatherInRankOrder(collective, {}).empty());
}

void CheckTraffic(Collective& collective) {
  const auto counted = [&](const char* operation) {
    const auto found = collective.traffic().find(operation);
    return found == collective.traffic().end() ? Collective::Traffic() : found->second;
  };
  const Collective::Traffic before = counted("CheckTraffic");
  {
    OperationScope scope("CheckTraffic");
    Array floats = Array::Zeros({10}, kFloat32), bytes = Array::Zeros({3}, kUInt8);
    std::vector<double> doubles(2);
    collective.AllReduceSum(floats);
    collective.StartSum(floats);
    collective.FinishSums();
    collective.AllReduceSum(doubles);
    collective.Broadcast(bytes, 0);
    collective.Barrier();
  }
  const Collective::Traffic after = counted("CheckTraffic");
  const bool alone = collective.traffic().empty() && collective.world_size() == 1;  // OneRank says nothing
  EXPECT_EQ(after.calls - before.calls, alone ? 0 : 4);
  EXPECT_EQ(after.bytes - before.bytes, alone ? 0 : 40 + 40 + 16 + 3);
}

void CheckMisuse(Collective& collective) {
  Array bytes = Array::Zeros({2}, kUInt8);
  EXPECT_THROW(collective.AllReduceSum(bytes), Error);
  EXPECT_THROW(collective.Broadcast(bytes, collective.world_size()), Error);
  EXPECT_THROW(collective.Broadcast(bytes, -1), Error);
  if (collective.world_size() == 1) return;

  // Different sizes, dtypes or functions: an Error on every rank, and the next call works again.
  Array sized = Array::Zeros({collective.rank() == 0 ? 2 : 3}, kFloat32);
  EXPECT_THROW(collective.AllReduceSum(sized), Error);
  Array typed = Array::Zeros({2}, collective.rank() == 0 ? kFloat32 : kFloat64);
  EXPECT_THROW(collective.AllReduceSum(typed), Error);
  Array rooted = Array::Zeros({2}, kFloat32);
  EXPECT_THROW(collective.Broadcast(rooted, collective.rank() == 0 ? 0 : 1), Error);
  if (collective.rank() == 0) {
    EXPECT_THROW(collective.Barrier(), Error);
  } else {
    EXPECT_THROW(collective.AllReduceSum(rooted), Error);
  }
  collective.Barrier();
}

}  // namespace

void CheckCollectiveContract(Collective& collective) {
  ASSERT_GE(collective.rank(), 0);
  ASSERT_LT(collective.rank(), collective.world_size());
  CheckSums(collective);
  CheckBroadcasts(collective);
  CheckGather(collective);
  CheckTraffic(collective);
  CheckMisuse(collective);
  collective.Barrier();
  CheckSums(collective);
}

}  // namespace autograd::testing
