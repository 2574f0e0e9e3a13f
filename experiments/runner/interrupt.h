#pragma once

namespace experiments {

// While one is alive, the first SIGINT or SIGTERM only asks for a stop, so that the trainer can finish its
// step and save; the second ends the process at once with status 128 + signal. Schedulers (Slurm,
// Kubernetes) send SIGTERM before they kill. At most one may be alive at a time; the previous handlers
// come back with the destructor.
class InterruptHandler {
 public:
  InterruptHandler();
  ~InterruptHandler();
  InterruptHandler(const InterruptHandler&) = delete;
  InterruptHandler& operator=(const InterruptHandler&) = delete;

  bool stop_requested() const;
};

}  // namespace experiments
