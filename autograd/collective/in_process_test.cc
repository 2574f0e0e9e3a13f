#include "autograd/collective/in_process.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include "autograd/collective/collective_contract.h"

namespace autograd {
namespace {

TEST(OneRankTest, KeepsTheContract) {
  OneRank collective;
  testing::CheckCollectiveContract(collective);
}

TEST(InProcessTest, KeepsTheContract) {
  for (int world_size : {1, 2, 3, 5}) RunRanks(world_size, testing::CheckCollectiveContract);
}

TEST(InProcessTest, ManyRoundsWithoutRest) {
  constexpr int kRanks = 4, kRounds = 300;
  RunRanks(kRanks, [](Collective& collective) {
    for (int round = 0; round < kRounds; ++round) {
      std::vector<double> values(1 + round % 5, round + collective.rank());
      collective.AllReduceSum(values);
      ASSERT_EQ(values, std::vector<double>(1 + round % 5, kRanks * round + kRanks * (kRanks - 1) / 2));
    }
  });
}

TEST(InProcessTest, BarrierWaitsForAll) {
  std::atomic<int> arrived{0};
  RunRanks(4, [&](Collective& collective) {
    ++arrived;
    collective.Barrier();
    EXPECT_EQ(arrived.load(), 4);
  });
}

TEST(InProcessTest, ARankThatThrowsReleasesTheOthers) {
  std::atomic<int> released{0};
  EXPECT_THROW(RunRanks(3,
                        [&](Collective& collective) {
                          collective.Barrier();
                          if (collective.rank() == 1) throw std::runtime_error("out of luck");
                          try {
                            collective.Barrier();
                          } catch (const Error& error) {
                            EXPECT_NE(std::string(error.what()).find("rank 1 has left"), std::string::npos)
                                << error.what();
                            ++released;
                          }
                        }),
               std::runtime_error);
  EXPECT_EQ(released.load(), 2);
}

}  // namespace
}  // namespace autograd
