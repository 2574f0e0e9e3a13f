#include "autograd/core/captured_step.h"

#include <utility>

namespace autograd {
namespace {

thread_local std::vector<std::function<void()>>* current_host_work = nullptr;

class HostWorkScope {
 public:
  explicit HostWorkScope(std::vector<std::function<void()>>& work)
      : previous_(std::exchange(current_host_work, &work)) {
    work.clear();
  }
  ~HostWorkScope() { current_host_work = previous_; }
  HostWorkScope(const HostWorkScope&) = delete;
  HostWorkScope& operator=(const HostWorkScope&) = delete;

 private:
  std::vector<std::function<void()>>* previous_;
};

}  // namespace

void OnEachRun(std::function<void()> work) {
  if (current_host_work == nullptr) return work();
  current_host_work->push_back(std::move(work));
}

bool RunsAgain() { return current_host_work != nullptr; }

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
    recording_ = stream_.Record([this, later] {
      const HostWorkScope scope(host_work_);
      work_(later);
    });
  }
  recording_->Replay();
  for (const std::function<void()>& work : host_work_) work();
}

}  // namespace autograd
