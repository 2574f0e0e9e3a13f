#include "rl/estimators/normalized_advantages.h"

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
using autograd::RandomKey;
using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;

// Images [begin, end) of values [n, b, ..]: what one rank holds.
template <typename T>
Array Images(const Array& values, int64_t begin, int64_t end) {
  const int64_t maps = values.shape()[0], images = values.shape()[1], size = values.size() / (maps * images);
  const std::vector<T> all = values.ToVector<T>();
  std::vector<T> part;
  for (int64_t n = 0; n < maps; ++n) {
    part.insert(part.end(), all.begin() + (n * images + begin) * size, all.begin() + (n * images + end) * size);
  }
  autograd::Shape shape = values.shape();
  shape.Set(1, end - begin);
  return Array::From(shape, part);
}

Array Mask(int64_t images, int64_t size) {
  std::vector<uint8_t> mask(images * size);
  for (size_t i = 0; i < mask.size(); ++i) mask[i] = autograd::Philox(RandomKey(4), i).x % 5 != 0;
  return Array::From({images, size}, mask);
}

TEST(NormalizedAdvantagesTest, ClosedFormForZeroOneRewards) {
  // Six valid entries, two of them 1: mean 1/3, biased deviation sqrt(2)/3.
  const Array rewards = Array::From<float>({2, 1, 4}, {1, 0, 0, 1, 0, 1, 0, 1});
  const Array valid = Array::From<uint8_t>({1, 4}, {1, 1, 1, 0});
  Array moments;
  const std::vector<float> advantages = NormalizedAdvantages(rewards, valid, nullptr, &moments).ToVector<float>();
  const double sigma = std::sqrt(2.0) / 3 + 1e-6;
  const std::vector<double> expected = {2 / 3.0 / sigma,  -1 / 3.0 / sigma, -1 / 3.0 / sigma, 0,
                                        -1 / 3.0 / sigma, 2 / 3.0 / sigma,  -1 / 3.0 / sigma, 0};
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(advantages[i], expected[i], 1e-6) << i;
  EXPECT_EQ(ReadMoments(moments).count, 6);
  EXPECT_EQ(ReadMoments(moments).sum, 2);
}

TEST(NormalizedAdvantagesTest, NothingToLearnFrom) {
  for (float reward : {0.0f, 1.0f}) {
    const std::vector<float> advantages =
        NormalizedAdvantages(Array::Full({2, 3, 5}, autograd::kFloat32, reward), {}, nullptr).ToVector<float>();
    EXPECT_EQ(advantages, std::vector<float>(30, 0.0f));
  }
  const Array nowhere = Array::Zeros({3, 5}, autograd::kUInt8);
  EXPECT_EQ(NormalizedAdvantages(Array::Full({2, 3, 5}, autograd::kFloat32, 0.7), nowhere, nullptr).ToVector<float>(),
            std::vector<float>(30, 0.0f));
}

class SyncAn : public ::testing::TestWithParam<bool> {};

// R ranks with b images each against one rank with R·b images, bit for bit (RSS, section 3.1.2).
TEST_P(SyncAn, RanksGetTheAdvantagesOfTheWholeBatch) {
  constexpr int64_t kRanks = 3, kImages = 2, kMaps = 4, kSize = 37;
  Array rewards = RandomArray({kMaps, kRanks * kImages, kSize}, autograd::kFloat32, RandomKey(9), -0.3, 1.7);
  if (GetParam()) {  // the rewards of the paper: right or wrong
    std::vector<float> binary = rewards.ToVector<float>();
    for (float& r : binary) r = r > 1.0f ? 1.0f : 0.0f;
    rewards = Array::From(rewards.shape(), binary);
  }
  const Array valid = Mask(kRanks * kImages, kSize);
  const Array whole = NormalizedAdvantages(rewards, valid, nullptr);
  autograd::RunRanks(kRanks, [&](Collective& collective) {
    const int64_t begin = collective.rank() * kImages, end = begin + kImages;
    const Array own = Images<float>(rewards, begin, end), own_valid = valid.Slice(begin, end);
    const std::vector<float> expected = Images<float>(whole, begin, end).ToVector<float>();
    EXPECT_EQ(NormalizedAdvantages(own, own_valid, &collective).ToVector<float>(), expected);
    EXPECT_NE(NormalizedAdvantages(own, own_valid, nullptr).ToVector<float>(), expected);
  });
}

INSTANTIATE_TEST_SUITE_P(Rewards, SyncAn, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Binary" : "Real"; });

TEST(NormalizedAdvantagesTest, RanksMayHoldDifferentNumbersOfImages) {
  const Array rewards = RandomArray({2, 5, 11}, autograd::kFloat32, RandomKey(6));
  const Array whole = NormalizedAdvantages(rewards, {}, nullptr);
  autograd::RunRanks(2, [&](Collective& collective) {
    const int64_t begin = collective.rank() == 0 ? 0 : 1, end = collective.rank() == 0 ? 1 : 5;
    EXPECT_EQ(NormalizedAdvantages(Images<float>(rewards, begin, end), {}, &collective).ToVector<float>(),
              Images<float>(whole, begin, end).ToVector<float>());
  });
}

// More than one chunk of an image, maps that are no multiple of anything, with and without a mask.
TEST(NormalizedAdvantagesTest, CudaInTheEmulator) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (const autograd::Shape& shape :
       {autograd::Shape{3, 2, 5000}, autograd::Shape{2, 3, 7}, autograd::Shape{1, 1, 1}}) {
    const Array rewards = RandomArray(shape, autograd::kFloat32, RandomKey(9), -0.3, 1.7);
    for (const Array& valid : {Array(), Mask(shape[1], shape[2])}) {
      Array moments, device_moments, measured;
      const Array expected = NormalizedAdvantages(rewards, valid, nullptr, &moments);
      {
        autograd::StreamScope scope(*stream);
        measured = NormalizedAdvantages(rewards.To(*stream), valid.To(*stream), nullptr, &device_moments);
        measured = measured.To(autograd::Stream::Cpu());
        device_moments = device_moments.To(autograd::Stream::Cpu());
      }
      EXPECT_EQ(ReadMoments(device_moments).count, ReadMoments(moments).count);
      EXPECT_TRUE(AllClose(device_moments, moments, 1e-13));
      EXPECT_TRUE(AllClose(measured, expected, 1e-7));
    }
  }
}

TEST(NormalizedAdvantagesTest, Misuse) {
  const Array rewards = Array::Zeros({2, 3, 5}, autograd::kFloat32);
  ExpectError(
      [&] {
        NormalizedAdvantages(rewards, Array::Zeros({2, 5}, autograd::kUInt8), nullptr);
      },
      "valid [2, 5] for values [2, 3, 5]");
  ExpectError([&] { NormalizedAdvantages(Array::Zeros({2}, autograd::kFloat32), {}, nullptr); }, "[n, b, ..], not [2]");
}

}  // namespace
}  // namespace rl
