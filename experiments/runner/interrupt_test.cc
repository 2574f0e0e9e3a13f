#include "experiments/runner/interrupt.h"

#include <signal.h>

#include "gtest/gtest.h"

namespace experiments {
namespace {

TEST(InterruptTest, FirstSignalOnlyAsksForAStop) {
  for (int signal_number : {SIGINT, SIGTERM}) {
    InterruptHandler interrupt;
    EXPECT_FALSE(interrupt.stop_requested());
    raise(signal_number);
    EXPECT_TRUE(interrupt.stop_requested());
  }
}

TEST(InterruptTest, SecondSignalExitsAtOnce) {
  const auto interrupt_twice = [](int second) {
    InterruptHandler interrupt;
    raise(SIGINT);
    raise(second);
  };
  EXPECT_EXIT(interrupt_twice(SIGINT), testing::ExitedWithCode(128 + SIGINT), "Stopping after this step");
  EXPECT_EXIT(interrupt_twice(SIGTERM), testing::ExitedWithCode(128 + SIGTERM), "Stopping after this step");
}

TEST(InterruptTest, DestructorRestoresThePreviousHandler) {
  const auto previous = signal(SIGTERM, SIG_IGN);
  { InterruptHandler interrupt; }
  raise(SIGTERM);  // Ignored again: reaching the next line is the test.
  EXPECT_EQ(signal(SIGTERM, previous), SIG_IGN);
}

}  // namespace
}  // namespace experiments
