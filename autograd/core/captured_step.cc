#include "autograd/core/captured_step.h"

#include <utility>

namespace autograd {

CapturedStep::CapturedStep(Work work, int eager_runs)
    : work_(std::move(work)), eager_runs_(eager_runs), stream_(Stream::Current()), index_(Array::Zeros({1}, kInt64)) {}

CapturedStep::~CapturedStep() = default;

void CapturedStep::Run(const RandomKey& key, uint64_t index) {
  Require(&Stream::Current() == &stream_, "CapturedStep", "the current stream is not the one it was made for");
  Require(recording_ == nullptr || key == key_, "CapturedStep", "the key differs from the recorded one");
  stream_.CopyFromHost(index_.raw(), &index, sizeof index);
  const RandomKey later = key.SplitLater(static_cast<const uint64_t*>(index_.raw()));
  if (eager_runs_ > 0) {
    --eager_runs_;
    return work_(later);
  }
  if (recording_ == nullptr) {
    key_ = key;
    recording_ = stream_.Record([this, later] { work_(later); });
  }
  recording_->Replay();
}

}  // namespace autograd
