#include "autograd/core/captured_step.h"

#include <atomic>
#include <utility>

namespace autograd {
namespace {

using HostWork = std::vector<std::function<void()>>;

class RecordingScope;
thread_local RecordingScope* current_scope = nullptr;

class RecordingScope {
 public:
  RecordingScope(HostWork& before, HostWork& after)
      : before(before), after(after), number(NextNumber()), previous_(std::exchange(current_scope, this)) {
    before.clear();
    after.clear();
  }
  ~RecordingScope() { current_scope = previous_; }
  RecordingScope(const RecordingScope&) = delete;
  RecordingScope& operator=(const RecordingScope&) = delete;

  HostWork &before, &after;
  const uint64_t number;

 private:
  static uint64_t NextNumber() {
    static std::atomic<uint64_t> next{1};
    return next.fetch_add(1);
  }
  RecordingScope* previous_;
};

}  // namespace

void OnEachRun(std::function<void()> work) {
  if (current_scope == nullptr) return work();
  current_scope->after.push_back(std::move(work));
}

void BeforeEachRun(std::function<void()> work) {
  Require(current_scope != nullptr, "BeforeEachRun", "the thread makes no recording");
  current_scope->before.push_back(std::move(work));
}

uint64_t CurrentRecording() { return current_scope != nullptr ? current_scope->number : 0; }

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
    records_ = true;
    recording_ = stream_.Record([this, later] {
      if (!records_) return work_(later);  // a replay on the CPU, which records nothing
      const RecordingScope scope(work_before_, work_after_);
      work_(later);
    });
    records_ = false;
  }
  for (const std::function<void()>& work : work_before_) work();
  recording_->Replay();
  for (const std::function<void()>& work : work_after_) work();
}

}  // namespace autograd
