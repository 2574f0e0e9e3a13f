#include "experiments/runner/execution.h"

#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "autograd/collective/in_process.h"

namespace experiments {
namespace {

using autograd::Array;

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

// One of two ranks, whose end the test sees.
class RankOfTwo : public autograd::Collective {
 public:
  struct Aborted {
    int exit_code;
  };
  int rank() const override { return 1; }
  int world_size() const override { return 2; }
  void AllReduceSum(std::span<double>) override {}
  void AllReduceSum(Array&) override {}
  void Broadcast(Array&, int) override {}
  void Barrier() override {}
  [[noreturn]] void Abort(int exit_code) override { throw Aborted{exit_code}; }
};

// The exit code with which `body` ends all ranks, or 0; and what it writes to standard error.
std::pair<int, std::string> EndOf(const std::function<absl::Status()>& body) {
  RankOfTwo collective;
  int exit_code = 0;
  ::testing::internal::CaptureStderr();
  try {
    EXPECT_TRUE(RunOnRank(collective, body).ok());
  } catch (const RankOfTwo::Aborted& aborted) {
    exit_code = aborted.exit_code;
  }
  return {exit_code, ::testing::internal::GetCapturedStderr()};
}

TEST(RunOnRankTest, AnyErrorEndsAllRanks) {
  using End = std::pair<int, std::string>;
  EXPECT_EQ(EndOf([] { return absl::OkStatus(); }), End(0, ""));
  EXPECT_EQ(EndOf([] { return absl::NotFoundError("no file"); }), End(1, "\nrank 1 of 2: no file\n"));
  EXPECT_EQ(EndOf([] { return WrongFlag("--steps"); }).first, 2);
  EXPECT_EQ(EndOf([]() -> absl::Status { autograd::Fail("Add", "shapes"); }),
            End(3, "\nrank 1 of 2: internal error: Add: shapes\n"));
  EXPECT_EQ(EndOf([]() -> absl::Status { throw std::bad_alloc(); }),
            End(3, "\nrank 1 of 2: internal error: std::bad_alloc\n"));
}

}  // namespace
}  // namespace experiments
