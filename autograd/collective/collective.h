#pragma once

// What the ranks of a data-parallel run say to each other. Implementations: OneRank (here), threads of one process
// (in_process.h), MPI (mpi.h), NCCL (nccl.h).
//
// Every rank calls the same functions in the same order with the same dtypes and sizes; a difference is an Error on
// every rank. Sums are taken in the order of ranks 0, 1, … R − 1, so they are the same bits on all ranks, from run to
// run, and between the implementations (NCCL excepted: nccl.h).

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "autograd/core/array.h"

namespace autograd {

class Collective {
 public:
  virtual ~Collective() = default;

  virtual int rank() const = 0;
  virtual int world_size() const = 0;

  // values ← Σ over ranks of values. Arrays of any dtype but uint8; bfloat16 is summed in float32 and rounded once.
  // Arrays are written in place, on whatever device they are.
  virtual void AllReduceSum(std::span<double> values) = 0;
  virtual void AllReduceSum(Array& values) = 0;

  // values ← the values of rank `root`. Any dtype.
  virtual void Broadcast(Array& values, int root) = 0;

  // AllReduceSum that may still be under way when this returns, while the current stream goes on: `values` may not be
  // touched before FinishSums has returned. Here at once.
  virtual void StartSum(Array& values) { AllReduceSum(values); }
  virtual void FinishSums() {}

  // Returns when every rank has called it.
  virtual void Barrier() = 0;

  // Ends this process at once, without destructors, which would wait for the other ranks; where the implementation can,
  // the others too. For an error that other ranks may not have: they would wait for this one for ever.
  [[noreturn]] virtual void Abort(int exit_code);

  // What this rank has brought to sums and broadcasts of arrays and values so far, by the operation that asked
  // (OperationScope).
  struct Traffic {
    int64_t calls = 0, bytes = 0;
  };
  const std::map<std::string, Traffic>& traffic() const { return traffic_; }

 protected:
  // Called by the implementations for every sum and broadcast.
  void Count(int64_t bytes);

 private:
  std::map<std::string, Traffic> traffic_;
};

// A world of one: nothing to say.
class OneRank final : public Collective {
 public:
  int rank() const override { return 0; }
  int world_size() const override { return 1; }
  void AllReduceSum(std::span<double>) override {}
  void AllReduceSum(Array& values) override;
  void Broadcast(Array& values, int root) override;
  void Barrier() override {}
};

// The values of all ranks one after the other, those of rank 0 first; ranks may bring different numbers of them.
// Exact: a value only meets zeros on its way. Summing the result in order gives the same bits however the values were
// spread over the ranks.
std::vector<double> GatherInRankOrder(Collective& collective, std::span<const double> values);

namespace internal {

// What two ranks must agree on in one call.
struct CollectiveCall {
  enum class Kind : int64_t { kSum, kBroadcast, kBarrier };
  Kind kind = Kind::kBarrier;
  DType dtype = kFloat64;
  int64_t size = 0;
  int64_t root = 0;
};
bool operator==(const CollectiveCall& a, const CollectiveCall& b);
std::ostream& operator<<(std::ostream& out, const CollectiveCall& call);

void RequireSummable(const Array& values);

// Calls body(host) with the values on the host, and writes them back where they came from.
void OnHost(Array& values, const std::function<void(Array& host)>& body);
void RequireBroadcast(const Array& values, int root, int world_size);

// sum[i] = Σ over parts of parts[r][i], in order, for i in [begin, end); `sum` may be one of the parts.
void SumInOrder(DType dtype, std::span<const void* const> parts, int64_t begin, int64_t end, void* sum);

}  // namespace internal
}  // namespace autograd
