#include "experiments/runner/execution.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "autograd/collective/in_process.h"

namespace experiments {
namespace {

TEST(FromFirstRankTest, EveryRankGetsTheFirstOnesText) {
  autograd::RunRanks(3, [](autograd::Collective& collective) {
    const absl::StatusOr<std::string> text = FromFirstRank(
        collective, [&]() -> absl::StatusOr<std::string> { return "of rank " + std::to_string(collective.rank()); });
    ASSERT_TRUE(text.ok());
    EXPECT_EQ(*text, "of rank 0");
  });
}

TEST(FromFirstRankTest, AndItsError) {
  autograd::RunRanks(2, [](autograd::Collective& collective) {
    const absl::StatusOr<std::string> text =
        FromFirstRank(collective, []() -> absl::StatusOr<std::string> { return absl::PermissionDeniedError("no"); });
    EXPECT_EQ(text.status(), absl::PermissionDeniedError("no"));
  });
}

TEST(OnAnyRankTest, OneIsEnough) {
  autograd::RunRanks(3, [](autograd::Collective& collective) {
    EXPECT_TRUE(OnAnyRank(collective, collective.rank() == 2));
    EXPECT_FALSE(OnAnyRank(collective, false));
  });
}

TEST(AverageOverRanksTest, IsTheMean) {
  autograd::RunRanks(3, [](autograd::Collective& collective) {
    std::vector<double> values = {1.0 * collective.rank(), 6};
    AverageOverRanks(collective, values);
    EXPECT_EQ(values, (std::vector<double>{1, 6}));
  });
}

}  // namespace
}  // namespace experiments
