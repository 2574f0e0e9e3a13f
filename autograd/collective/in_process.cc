#include "autograd/collective/in_process.h"

#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace autograd {
namespace {

using internal::CollectiveCall;

// Where the threads meet. A call has three meetings: everybody's operand is in place; everybody has written its share
// of the result; everybody has copied the result, so operands may change again.
class MeetingPoint {
 public:
  explicit MeetingPoint(int world_size) : world_size_(world_size), calls_(world_size), operands_(world_size) {}

  int world_size() const { return world_size_; }

  // Shows this rank's call and operand to the others and returns when all have arrived. Throws on every rank when two
  // differ.
  void Arrive(int rank, const CollectiveCall& call, const void* operand) {
    calls_[rank] = call;
    operands_[rank] = operand;
    Meet();
    for (int other = 1; other < world_size_; ++other) {
      if (calls_[other] == calls_[0]) continue;
      const CollectiveCall first = calls_[0], second = calls_[other];
      Meet();  // nobody may overwrite its call while another still reads it
      Fail("Collective", "rank 0 calls ", first, " but rank ", other, " calls ", second);
    }
  }

  void Meet() {
    std::unique_lock<std::mutex> lock(mutex_);
    RequireAllPresent();
    const int64_t meeting = meetings_;
    if (++arrived_ == world_size_) {
      arrived_ = 0;
      ++meetings_;
      all_here_.notify_all();
      return;
    }
    all_here_.wait(lock, [&] { return meetings_ != meeting || lost_rank_ >= 0; });
    if (meetings_ == meeting) RequireAllPresent();
  }

  void Leave(int rank) {
    std::lock_guard<std::mutex> lock(mutex_);
    lost_rank_ = rank;
    all_here_.notify_all();
  }

  const std::vector<const void*>& operands() const { return operands_; }

  // Room for a result that all ranks write their share of. Called by every rank between two meetings.
  char* Result(int64_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (static_cast<int64_t>(result_.size()) < bytes) result_.resize(bytes);
    return result_.data();
  }

 private:
  void RequireAllPresent() const {
    Require(lost_rank_ < 0, "Collective", "rank ", lost_rank_, " has left with an error");
  }

  const int world_size_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  int arrived_ = 0;
  int64_t meetings_ = 0;
  int lost_rank_ = -1;
  std::vector<CollectiveCall> calls_;
  std::vector<const void*> operands_;
  std::vector<char> result_;
};

class InProcessRank final : public Collective {
 public:
  InProcessRank(MeetingPoint& point, int rank) : point_(point), rank_(rank) {}

  int rank() const override { return rank_; }
  int world_size() const override { return point_.world_size(); }

  void AllReduceSum(std::span<double> values) override {
    Sum(kFloat64, values.data(), static_cast<int64_t>(values.size()));
  }

  void AllReduceSum(Array& values) override {
    internal::RequireSummable(values);
    internal::OnHost(values, [&](Array& host) { Sum(host.dtype(), host.raw(), host.size()); });
  }

  void Broadcast(Array& values, int root) override {
    internal::RequireBroadcast(values, root, world_size());
    Count(values.bytes());
    internal::OnHost(values, [&](Array& host) {
      point_.Arrive(rank_, {CollectiveCall::Kind::kBroadcast, host.dtype(), host.size(), root}, host.raw());
      if (rank_ != root && host.bytes() > 0) std::memcpy(host.raw(), point_.operands()[root], host.bytes());
      point_.Meet();
    });
  }

  void Barrier() override {
    point_.Arrive(rank_, {CollectiveCall::Kind::kBarrier}, nullptr);
    point_.Meet();
  }

 private:
  // Each rank sums its share of the elements over all ranks, then everybody copies the whole.
  void Sum(DType dtype, void* values, int64_t size) {
    Count(size * SizeOf(dtype));
    point_.Arrive(rank_, {CollectiveCall::Kind::kSum, dtype, size, 0}, values);
    const int64_t bytes = size * SizeOf(dtype);
    char* result = point_.Result(bytes);
    internal::SumInOrder(dtype, point_.operands(), size * rank_ / world_size(), size * (rank_ + 1) / world_size(),
                         result);
    point_.Meet();
    if (bytes > 0) std::memcpy(values, result, bytes);
    point_.Meet();
  }

  MeetingPoint& point_;
  const int rank_;
};

}  // namespace

void RunRanks(int world_size, const std::function<void(Collective&)>& body) {
  Require(world_size >= 1, "RunRanks", "needs at least one rank, not ", world_size);
  MeetingPoint point(world_size);
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world_size; ++rank) {
    threads.emplace_back([&, rank] {
      InProcessRank collective(point, rank);
      try {
        body(collective);
      } catch (...) {
        {
          std::lock_guard<std::mutex> lock(mutex);
          if (!failure) failure = std::current_exception();
        }
        point.Leave(rank);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace autograd
