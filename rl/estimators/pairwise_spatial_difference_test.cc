#include "rl/estimators/pairwise_spatial_difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/collective/in_process.h"
#include "autograd/runtime/random.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::Collective;
using autograd::kFloat32;
using autograd::kUInt8;
using autograd::RandomKey;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;

Array RandomActions(const autograd::Shape& shape, uint32_t classes, RandomKey key) {
  std::vector<uint8_t> actions(shape.size());
  for (size_t i = 0; i < actions.size(); ++i)
    actions[i] = static_cast<uint8_t>(autograd::UniformBelow(autograd::Philox(key, i).x, classes));
  return Array::From(shape, actions);
}

TEST(PairwiseSpatialDifferenceTest, WorkedExample) {
  // Rewards 0.5, 0.2, 0.4; classes a, b, a at the first pixel, all equal at the second, all different at the third.
  const Array rewards = Array::From<float>({3, 1}, {0.5f, 0.2f, 0.4f});
  const Array actions = Array::From<uint8_t>({3, 1, 3}, {0, 7, 1, 1, 7, 2, 0, 7, 3});
  const std::vector<float> expected = {0.15f, 0, 0.2f, -0.25f, 0, -0.25f, 0.1f, 0, 0.05f};
  const std::vector<float> advantages = PairwiseSpatialDifference(rewards, actions).ToVector<float>();
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(advantages[i], expected[i], 1e-7) << i;
  EXPECT_EQ(advantages[1], 0.0f);
}

TEST(PairwiseSpatialDifferenceTest, EqualsTheSumOverPairs) {
  constexpr int kMaps = 7, kImages = 3, kSize = 41;
  const Array rewards = RandomArray({kMaps, kImages}, kFloat32, RandomKey(1), 0, 1);
  const Array actions = RandomActions({kMaps, kImages, kSize}, 4, RandomKey(2));
  const std::vector<float> r = rewards.ToVector<float>(),
                           fused = PairwiseSpatialDifference(rewards, actions).ToVector<float>();
  const std::vector<uint8_t> a = actions.ToVector<uint8_t>();
  for (int p = 0; p < kImages * kSize; ++p) {
    double over_maps = 0;
    for (int i = 0; i < kMaps; ++i) {
      double sum = 0;
      for (int j = 0; j < kMaps; ++j) {
        if (a[i * kImages * kSize + p] == a[j * kImages * kSize + p]) continue;
        sum += static_cast<double>(r[i * kImages + p / kSize]) - r[j * kImages + p / kSize];
      }
      EXPECT_EQ(fused[i * kImages * kSize + p], static_cast<float>(sum / (kMaps - 1)))
          << "map " << i << " position " << p;
      over_maps += fused[i * kImages * kSize + p];
    }
    EXPECT_NEAR(over_maps, 0, 1e-6);
  }
}

// 0.1 has no finite binary expansion: only sums that stay exact make these zeros.
TEST(PairwiseSpatialDifferenceTest, ZerosAreExact) {
  const Array equal = Array::Full({6, 2}, kFloat32, 0.1);
  const Array actions = RandomActions({6, 2, 50}, 3, RandomKey(3));
  EXPECT_EQ(PairwiseSpatialDifference(equal, actions).ToVector<float>(), std::vector<float>(600, 0.0f));
  // Map 0 differs from maps that scored the same; map 3, with its own score, agrees with it.
  const Array rewards = Array::From<float>({4, 1}, {0.1f, 0.1f, 0.1f, 0.7f});
  EXPECT_EQ(PairwiseSpatialDifference(rewards, Array::From<uint8_t>({4, 1, 1}, {5, 6, 4, 5})).ToVector<float>()[0],
            0.0f);
}

TEST(PairwiseSpatialDifferenceTest, OneMapHasNoPartner) {
  EXPECT_EQ(
      PairwiseSpatialDifference(Array::Full({1, 1}, kFloat32, 0.3), Array::Zeros({1, 1, 4}, kUInt8)).ToVector<float>(),
      std::vector<float>(4, 0.0f));
}

TEST(NormalizeDifferencesTest, ThreeNormalizations) {
  const Array differences = Array::From<float>({2, 1, 4}, {0.3f, 0, 0, 0, -0.3f, 0, 0, 0});
  const NormalizedDifferences non_zero = NormalizeDifferences(differences, {}, Normalization::kNonZero, nullptr);
  EXPECT_EQ(non_zero.count.Item(), 2);
  EXPECT_NEAR(non_zero.advantages.ToVector<float>()[0], 0.3 / (0.3 + 1e-6), 1e-6);
  const NormalizedDifferences all = NormalizeDifferences(differences, {}, Normalization::kAll, nullptr);
  EXPECT_EQ(all.count.Item(), 8);
  EXPECT_NEAR(all.advantages.ToVector<float>()[0], 2.0, 1e-4);  // sigma = 0.3·sqrt(2/8)
  const NormalizedDifferences none = NormalizeDifferences(differences, {}, Normalization::kNone, nullptr);
  EXPECT_EQ(none.count.Item(), 8);
  EXPECT_EQ(none.advantages.ToVector<float>(), differences.ToVector<float>());
  for (const NormalizedDifferences* each : {&non_zero, &all, &none})
    EXPECT_EQ(each->advantages.ToVector<float>()[1], 0.0f);
}

TEST(NormalizeDifferencesTest, NothingDiffers) {
  const NormalizedDifferences result =
      NormalizeDifferences(Array::Zeros({3, 2, 4}, kFloat32), {}, Normalization::kNonZero, nullptr);
  EXPECT_EQ(result.count.Item(), 0);
  EXPECT_EQ(result.advantages.ToVector<float>(), std::vector<float>(24, 0.0f));
}

TEST(NormalizeDifferencesTest, InvalidPositionsDoNotCount) {
  const Array rewards = RandomArray({4, 1}, kFloat32, RandomKey(5), 0, 1);
  const Array actions = Array::From<uint8_t>({4, 1, 2}, {0, 0, 1, 1, 2, 2, 3, 3});
  const Array valid = Array::From<uint8_t>({1, 2}, {1, 0});
  const Array differences = PairwiseSpatialDifference(rewards, actions, valid);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(differences.ToVector<float>()[2 * i + 1], 0.0f);
  EXPECT_EQ(NormalizeDifferences(differences, valid, Normalization::kAll, nullptr).count.Item(), 4);
}

TEST(NormalizeDifferencesTest, RanksShareDeviationAndCount) {
  constexpr int kRanks = 3, kMaps = 4, kSize = 29;
  std::vector<Array> differences;
  for (int rank = 0; rank < kRanks; ++rank) {
    differences.push_back(PairwiseSpatialDifference(RandomArray({kMaps, 1}, kFloat32, RandomKey(70 + rank), 0, 1),
                                                    RandomActions({kMaps, 1, kSize}, 3, RandomKey(80 + rank))));
  }
  std::vector<float> together;
  for (int i = 0; i < kMaps; ++i) {
    for (const Array& part : differences) {
      const std::vector<float> values = part.ToVector<float>();
      together.insert(together.end(), values.begin() + i * kSize, values.begin() + (i + 1) * kSize);
    }
  }
  const NormalizedDifferences whole =
      NormalizeDifferences(Array::From({kMaps, kRanks, kSize}, together), {}, Normalization::kNonZero, nullptr);
  autograd::RunRanks(kRanks, [&](Collective& collective) {
    const NormalizedDifferences own =
        NormalizeDifferences(differences[collective.rank()], {}, Normalization::kNonZero, &collective);
    EXPECT_EQ(own.count.Item() * kRanks, whole.count.Item());
    EXPECT_EQ(own.moments.ToVector<double>(), whole.moments.ToVector<double>());
    const std::vector<float> values = own.advantages.ToVector<float>(), expected = whole.advantages.ToVector<float>();
    for (int i = 0; i < kMaps; ++i) {
      for (int p = 0; p < kSize; ++p)
        ASSERT_EQ(values[i * kSize + p], expected[(i * kRanks + collective.rank()) * kSize + p]);
    }
  });
}

// Differences bit for bit: "non-zero" must mean the same on every device. More maps than a thread keeps at once.
TEST(PairwiseSpatialDifferenceTest, CudaInTheEmulatorGivesTheSame) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (int64_t maps : {1, 3, 8, 11}) {
    Array rewards = RandomArray({maps, 2}, kFloat32, RandomKey(1), 0, 1);
    if (maps > 2) rewards.data<float>()[4] = rewards.data<float>()[0];  // two maps of one image score the same
    const Array actions = RandomActions({maps, 2, 7, 45}, 3, RandomKey(2));
    for (const Array& valid : {Array(), RandomActions({2, 7, 45}, 2, RandomKey(3))}) {
      for (Normalization normalization : {Normalization::kNonZero, Normalization::kAll}) {
        const Array differences = PairwiseSpatialDifference(rewards, actions, valid);
        const NormalizedDifferences normalized = NormalizeDifferences(differences, valid, normalization, nullptr);
        autograd::StreamScope scope(*stream);
        const Array on_device = PairwiseSpatialDifference(rewards.To(*stream), actions.To(*stream), valid.To(*stream));
        EXPECT_EQ(on_device.ToVector<float>(), differences.ToVector<float>()) << maps << " maps";
        const NormalizedDifferences result = NormalizeDifferences(on_device, valid.To(*stream), normalization, nullptr);
        EXPECT_EQ(result.count.Item(), normalized.count.Item());
        EXPECT_TRUE(autograd::testing::AllClose(result.advantages, normalized.advantages, 1e-6));
      }
    }
  }
}

TEST(PairwiseSpatialDifferenceTest, Misuse) {
  ExpectError(
      [] {
        PairwiseSpatialDifference(Array::Zeros({3, 2}, kFloat32), Array::Zeros({3, 1, 4}, kUInt8));
      },
      "actions [3, 1, 4] for rewards [3, 2]");
  ExpectError(
      [] {
        PairwiseSpatialDifference(Array::Zeros({3, 2}, kFloat32), Array::Zeros({3, 2, 4}, kUInt8),
                                  Array::Zeros({2, 5}, kUInt8));
      },
      "valid [2, 5]");
}

}  // namespace
}  // namespace rl
