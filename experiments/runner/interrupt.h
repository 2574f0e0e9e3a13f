#pragma once

namespace experiments {

// While one is alive, the first SIGINT, SIGTERM or SIGHUP (a dropped connection) only asks for a stop, so that a run
// can finish its step and save; the second ends the process at once with status 128 + signal. Schedulers (Slurm,
// Kubernetes) send SIGTERM before they kill. A signal that the process was started to ignore (nohup) stays ignored.
//
// No handler ever runs on another thread's stack, where it could meet a library that keeps data below its stack pointer
// (oneDNN 2.6's sgemm does): the signals are blocked, and one thread of this object waits for them. Threads inherit
// what is blocked, so it must be made before every other thread, first thing in main. At most one may be alive at a
// time.
class InterruptHandler {
 public:
  InterruptHandler();
  ~InterruptHandler();
  InterruptHandler(const InterruptHandler&) = delete;
  InterruptHandler& operator=(const InterruptHandler&) = delete;

  bool stop_requested() const { return signal() != 0; }
  // The first signal, or 0.
  int signal() const;
};

}  // namespace experiments
