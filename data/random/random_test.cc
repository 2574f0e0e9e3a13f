#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"
#include "data/random/permutation.h"
#include "data/random/random_sequence.h"
#include "gtest/gtest.h"

namespace data {
namespace {

using autograd::RandomKey;

TEST(RandomSequence, ReadsTheWordsOfPhiloxInOrder) {
  const RandomKey key(3, 4);
  RandomSequence sequence(key);
  for (uint64_t counter = 0; counter < 3; ++counter) {
    const autograd::PhiloxWords words = autograd::Philox(key, counter);
    for (const uint32_t word : {words.x, words.y, words.z, words.w}) EXPECT_EQ(sequence.Word(), word);
  }
}

TEST(RandomSequence, RangesAndMoments) {
  RandomSequence sequence{RandomKey(1)};
  double sum = 0, square = 0;
  std::vector<int> counts(7);
  int heads = 0;
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) {
    const float u = sequence.Uniform(-2.0f, 4.0f);
    ASSERT_GE(u, -2.0f);
    ASSERT_LE(u, 4.0f);
    sum += u;
    square += u * u;
    ++counts[sequence.Below(7)];
    heads += sequence.Chance(0.3f);
  }
  // Five standard deviations of each statistic.
  EXPECT_NEAR(sum / kDraws, 1.0, 5 * std::sqrt(3.0 / kDraws));
  EXPECT_NEAR(square / kDraws - 1.0, 3.0, 0.1);
  EXPECT_NEAR(heads, 0.3 * kDraws, 5 * std::sqrt(0.21 * kDraws));
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 7, 5 * std::sqrt(kDraws / 7.0));
}

TEST(Permutation, IsABijectionOfEverySize) {
  for (const int64_t size : {1, 2, 3, 4, 5, 15, 16, 17, 100, 367, 1024, 4999}) {
    const Permutation permutation(RandomKey(size), size);
    std::set<int64_t> seen;
    for (int64_t i = 0; i < size; ++i) {
      const int64_t value = permutation(i);
      ASSERT_GE(value, 0);
      ASSERT_LT(value, size);
      seen.insert(value);
    }
    EXPECT_EQ(static_cast<int64_t>(seen.size()), size);
  }
}

// All orders of three and of four elements occur about equally often over many keys.
TEST(Permutation, OrdersAreUniform) {
  for (const int size : {3, 4}) {
    std::map<std::vector<int64_t>, int> counts;
    constexpr int kKeys = 24000;
    for (int key = 0; key < kKeys; ++key) {
      const Permutation permutation(RandomKey(9).Split(key), size);
      std::vector<int64_t> order;
      for (int i = 0; i < size; ++i) order.push_back(permutation(i));
      ++counts[order];
    }
    const size_t orders = size == 3 ? 6 : 24;
    EXPECT_EQ(counts.size(), orders);
    for (const auto& [order, count] : counts) {
      EXPECT_NEAR(count, kKeys / orders, 6 * std::sqrt(kKeys / static_cast<double>(orders)));
    }
  }
}

// A random order has no memory of the old one: neighbours stay neighbours, and elements stay in place, as
// rarely as chance has it (once each on average, Poisson distributed).
TEST(Permutation, ForgetsTheOrder) {
  int fixed = 0, neighbours = 0;
  for (int key = 0; key < 100; ++key) {
    const Permutation permutation(RandomKey(key), 1000);
    for (int i = 0; i < 1000; ++i) {
      fixed += permutation(i) == i;
      if (i > 0) neighbours += permutation(i) == permutation(i - 1) + 1;
    }
  }
  EXPECT_NEAR(fixed, 100, 50);
  EXPECT_NEAR(neighbours, 100, 50);
}

TEST(Permutation, HugeSizes) {
  const Permutation permutation(RandomKey(5), std::numeric_limits<int64_t>::max());
  std::set<int64_t> seen;
  for (int64_t i = 0; i < 1000; ++i) seen.insert(permutation(i));
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_GT(*seen.rbegin(), int64_t{1} << 60);
  EXPECT_THROW(permutation(-1), autograd::Error);
  EXPECT_THROW(Permutation(RandomKey(5), 0), autograd::Error);
}

}  // namespace
}  // namespace data
