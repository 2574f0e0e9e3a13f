#include "autograd/testing/thread_counts.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

namespace autograd::testing {
namespace {

TEST(ThreadCountScopeTest, EndsWithTheCountFromBefore) {
  const int before = ThreadCount();
  {
    ThreadCountScope five(5);
    EXPECT_EQ(ThreadCount(), 5);
    ThreadCountScope two(2);
    EXPECT_EQ(ThreadCount(), 2);
  }
  EXPECT_EQ(ThreadCount(), before);
}

TEST(SameForThreadCountsTest, RunsWithOneThreadAndEachCount) {
  std::vector<int> seen;
  EXPECT_TRUE(SameForThreadCounts([&] {
    seen.push_back(ThreadCount());
    return std::vector<Array>{Array::Full({2}, kFloat32, NAN), Array::Zeros({3}, kInt64)};
  }));
  EXPECT_EQ(seen, (std::vector<int>{1, 3, 4}));
  seen.clear();
  EXPECT_TRUE(SameForThreadCounts(
      [&] {
        seen.push_back(ThreadCount());
        return std::vector<Array>{Array::Zeros({3}, kUInt8)};
      },
      {2, 7}));
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 7}));
}

// A partial sum for each range, in float32: 2²⁴ + 1 is rounded to 2²⁴, but 2²⁴ + (1 + 1) is not.
Array SumOfRanges() {
  const std::vector<float> terms = {0x1p24f, 1, 1, 1, 1, 1};
  std::vector<float> partial(terms.size(), 0.0f);  // by the range's first term
  ParallelFor(6, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) partial[begin] += terms[i];
  });
  float sum = 0;
  for (float part : partial) sum += part;
  return Array::From<float>({1}, {sum});
}

TEST(SameForThreadCountsTest, ASumByRangesFails) {
  EXPECT_NONFATAL_FAILURE(
      EXPECT_TRUE(SameForThreadCounts([] {
        return std::vector<Array>{Array::Zeros({3}, kFloat32), SumOfRanges()};
      })),
      "array 1 with 1 thread and with 3: at [0] of float32 [1]: 16777216 (0x4b800000) and 16777220 (0x4b800002)");
}

TEST(SameForThreadCountsTest, WhatDependsOnOneOfTheCountsFails) {
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameForThreadCounts([] {
                            return std::vector<Array>{Array::Full({2, 2}, kInt32, ThreadCount() == 4 ? 8 : 9)};
                          })),
                          "array 0 with 1 thread and with 4: at [0, 0] of int32 [2, 2]: 9 and 8");
}

TEST(SameForThreadCountsTest, NothingAndOtherNumbersOfArraysFail) {
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameForThreadCounts([] { return std::vector<Array>(); })),
                          "nothing was computed");
  EXPECT_NONFATAL_FAILURE(
      EXPECT_TRUE(SameForThreadCounts([] { return std::vector<Array>(ThreadCount(), Array::Zeros({1}, kFloat32)); })),
      "1 arrays with 1 thread, 3 with 3");
}

TEST(SameForThreadCountsTest, ThrowsWhatIsThrownAndRestoresTheCount) {
  ThreadCountScope scope(2);
  EXPECT_THROW(SameForThreadCounts([]() -> std::vector<Array> {
                 if (ThreadCount() == 3) throw std::runtime_error("three");
                 return {Array::Zeros({1}, kFloat32)};
               }),
               std::runtime_error);
  EXPECT_EQ(ThreadCount(), 2);
}

}  // namespace
}  // namespace autograd::testing
