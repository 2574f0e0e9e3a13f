#pragma once

// Where a program runs, and among which ranks (autograd/collective/launch.h).

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"
#include "autograd/runtime/stream.h"
#include "experiments/settings/settings.h"

namespace experiments {

struct ExecutionOptions {
  std::string device = "cpu";
  int threads = 0;  // of the CPU; 0: all cores
  bool measure_plans =
      false;  // on CUDA, cuDNN's plans are timed and the fastest is taken; runs may then differ by rounding

  void Settings(SettingVisitor& visitor);
};

// Runs `body` on this rank. With several ranks an error of any of them, a status or an exception, ends the program on
// all of them, after this rank has written it to standard error: the others would wait for this one for ever.
absl::Status RunOnRank(autograd::Collective& collective, const std::function<absl::Status()>& body);

class Execution {
 public:
  // Opens what `options` say and makes it current for this thread, as long as the result lives: so it is made first.
  // With several ranks, --device=cuda is the GPU of this rank on its machine (CudaDeviceOfRank), and ranks but the
  // first print nothing. Errors name the flag.
  static absl::StatusOr<std::unique_ptr<Execution>> Open(const ExecutionOptions& options);

  autograd::Collective& collective() { return *collective_; }
  absl::Status Run(const std::function<absl::Status()>& body) { return RunOnRank(*collective_, body); }
  bool first_rank() const { return collective_->rank() == 0; }
  // "cuda:0" or "cpu, 2 threads", and how many ranks.
  std::string Description() const;

 private:
  explicit Execution(std::unique_ptr<autograd::Stream> stream) : stream_(std::move(stream)), scope_(*stream_) {}

  std::unique_ptr<autograd::Stream> stream_;
  autograd::StreamScope scope_;
  std::unique_ptr<autograd::Collective> collective_;
};

// What `make` gives on the first rank, text or error, on every rank. For what must be decided once, such as the name of
// a new folder.
absl::StatusOr<std::string> FromFirstRank(autograd::Collective& collective,
                                          const std::function<absl::StatusOr<std::string>()>& make);

// True on every rank when it is on any.
bool OnAnyRank(autograd::Collective& collective, bool here);

// values ← their means over the ranks.
void AverageOverRanks(autograd::Collective& collective, std::span<double> values);

}  // namespace experiments
