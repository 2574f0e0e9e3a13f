#include "experiments/runner/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "autograd/runtime/error.h"

namespace experiments {
namespace {

std::atomic<bool> alive{false};
std::atomic<int> first_signal{0};
sigset_t blocked_before;
int signals = -1, end = -1;
std::thread* waiter = nullptr;  // a program that exits early leaves it running

void WaitForSignals() {
  while (true) {
    pollfd files[2] = {{signals, POLLIN, 0}, {end, POLLIN, 0}};
    if (poll(files, 2, -1) < 0) continue;
    if (files[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signals, &info, sizeof(info)) != sizeof(info)) continue;
    const int number = static_cast<int>(info.ssi_signo);
    int none = 0;
    if (!first_signal.compare_exchange_strong(none, number)) _exit(128 + number);
    constexpr char kMessage[] = "\nStopping after this step, then saving. Once more to exit at once.\n";
    [[maybe_unused]] const auto written = write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
  }
}

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action;
    // A blocked signal would be seen even where it is ignored.
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&set, number);
  }
  return set;
}

}  // namespace

InterruptHandler::InterruptHandler() {
  autograd::Require(!alive.exchange(true), "InterruptHandler", "there is one already");
  first_signal = 0;
  const sigset_t stop = StopSignals();
  pthread_sigmask(SIG_BLOCK, &stop, &blocked_before);
  signals = signalfd(-1, &stop, SFD_CLOEXEC);
  end = eventfd(0, EFD_CLOEXEC);
  autograd::Require(signals >= 0 && end >= 0, "InterruptHandler", "no file descriptors are left");
  waiter = new std::thread(WaitForSignals);
}

InterruptHandler::~InterruptHandler() {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = write(end, &one, sizeof(one));
  waiter->join();
  delete waiter;
  close(signals);
  close(end);
  pthread_sigmask(SIG_SETMASK, &blocked_before, nullptr);
  alive = false;
}

int InterruptHandler::signal() const { return first_signal; }

}  // namespace experiments
