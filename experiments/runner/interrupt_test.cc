#include "experiments/runner/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "gtest/gtest.h"

namespace experiments {
namespace {

// A waiting thread takes the signal, some time after it was sent.
bool StopsSoon(const InterruptHandler& interrupt) {
  for (int i = 0; i < 10000 && !interrupt.stop_requested(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return interrupt.stop_requested();
}

TEST(InterruptTest, FirstSignalOnlyAsksForAStop) {
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    InterruptHandler interrupt;
    EXPECT_FALSE(interrupt.stop_requested());
    kill(getpid(), number);
    EXPECT_TRUE(StopsSoon(interrupt));
    EXPECT_EQ(interrupt.signal(), number);
  }
}

TEST(InterruptTest, SecondSignalExitsAtOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto interrupt_twice = [](int second) {
    InterruptHandler interrupt;
    kill(getpid(), SIGINT);
    if (!StopsSoon(interrupt)) _exit(1);
    kill(getpid(), second);
    std::this_thread::sleep_for(std::chrono::seconds(10));
  };
  EXPECT_EXIT(interrupt_twice(SIGINT), testing::ExitedWithCode(128 + SIGINT), "Stopping after this step");
  EXPECT_EXIT(interrupt_twice(SIGTERM), testing::ExitedWithCode(128 + SIGTERM), "Stopping after this step");
}

// A thread that is working when the signal comes is not disturbed: nothing runs on its stack. The red zone below the
// stack pointer of a loop of its own would show it, but no test can ask for one, so the claim that is tested is the one
// it rests on: all threads have the signals blocked.
TEST(InterruptTest, NoThreadCanBeInterrupted) {
  InterruptHandler interrupt;
  std::thread([] {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (int number : {SIGINT, SIGTERM, SIGHUP}) EXPECT_TRUE(sigismember(&blocked, number)) << number;
  }).join();
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action;
    ASSERT_EQ(sigaction(number, nullptr, &action), 0);
    EXPECT_EQ(action.sa_handler, SIG_DFL) << number;
  }
}

// nohup and shells that start a command in the background.
TEST(InterruptTest, AnIgnoredSignalStaysIgnored) {
  const auto previous = signal(SIGHUP, SIG_IGN);
  {
    InterruptHandler interrupt;
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGTERM);
    ASSERT_TRUE(StopsSoon(interrupt));
    EXPECT_EQ(interrupt.signal(), SIGTERM);
  }
  EXPECT_EQ(signal(SIGHUP, previous), SIG_IGN);
}

TEST(InterruptTest, TheDestructorUnblocksTheSignals) {
  { InterruptHandler interrupt; }
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) EXPECT_FALSE(sigismember(&blocked, number)) << number;
}

}  // namespace
}  // namespace experiments
