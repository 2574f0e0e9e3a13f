#include "experiments/runner/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace experiments {
namespace {

// A handler may touch nothing but lock-free atomics and async-signal-safe calls.
std::atomic<int> received_signals{0};
static_assert(std::atomic<int>::is_always_lock_free);

struct sigaction previous_interrupt;
struct sigaction previous_terminate;

void HandleSignal(int signal_number) {
  if (received_signals.fetch_add(1) > 0) _exit(128 + signal_number);
  constexpr char kMessage[] = "\nStopping after this step, then saving. Once more to exit at once.\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
}

}  // namespace

InterruptHandler::InterruptHandler() {
  received_signals = 0;
  struct sigaction action = {};
  action.sa_handler = HandleSignal;
  sigemptyset(&action.sa_mask);
  // Without SA_RESTART a read of the data set would fail with EINTR just before the state is saved.
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, &previous_interrupt);
  sigaction(SIGTERM, &action, &previous_terminate);
}

InterruptHandler::~InterruptHandler() {
  sigaction(SIGINT, &previous_interrupt, nullptr);
  sigaction(SIGTERM, &previous_terminate, nullptr);
}

bool InterruptHandler::stop_requested() const { return received_signals > 0; }

}  // namespace experiments
