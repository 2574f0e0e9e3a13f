#include "autograd/collective/collective.h"

#include <algorithm>
#include <cstdlib>
#include <ostream>

#include "autograd/runtime/allocator.h"

namespace autograd {
namespace internal {

bool operator==(const CollectiveCall& a, const CollectiveCall& b) {
  return a.kind == b.kind && a.dtype == b.dtype && a.size == b.size && a.root == b.root;
}

std::ostream& operator<<(std::ostream& out, const CollectiveCall& call) {
  switch (call.kind) {
    case CollectiveCall::Kind::kSum:
      return out << "AllReduceSum of " << call.size << " " << call.dtype;
    case CollectiveCall::Kind::kBroadcast:
      return out << "Broadcast of " << call.size << " " << call.dtype << " from rank " << call.root;
    case CollectiveCall::Kind::kBarrier:
      return out << "Barrier";
  }
  return out;
}

void RequireSummable(const Array& values) {
  Require(values.defined(), "AllReduceSum", "of no array");
  Require(values.dtype() != kUInt8, "AllReduceSum", "of uint8 would overflow: ", values.shape());
}

void RequireBroadcast(const Array& values, int root, int world_size) {
  Require(values.defined(), "Broadcast", "of no array");
  Require(root >= 0 && root < world_size, "Broadcast", "root ", root, " of ", world_size, " ranks");
}

void OnHost(Array& values, const std::function<void(Array& host)>& body) {
  if (values.device().type == DeviceType::kCpu) return body(values);
  Array host = values.To(Stream::Cpu());
  body(host);
  values.CopyFrom(host.To(Stream::Current()));
}

void SumInOrder(DType dtype, std::span<const void* const> parts, int64_t begin, int64_t end, void* sum) {
  VisitAny("AllReduceSum", dtype, [&]<typename T>(T) {
    using Value = ComputeType<T>;
    // A tile of sums stays in the cache while the parts pass by.
    constexpr int64_t kTile = 1024;
    Value tile[kTile];
    for (int64_t first = begin; first < end; first += kTile) {
      const int64_t count = std::min(kTile, end - first);
      std::fill(tile, tile + count, Value(0));
      for (const void* part : parts) {
        const T* values = static_cast<const T*>(part) + first;
        for (int64_t i = 0; i < count; ++i) tile[i] = static_cast<Value>(tile[i] + static_cast<Value>(values[i]));
      }
      T* out = static_cast<T*>(sum) + first;
      for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(tile[i]);
    }
  });
}

}  // namespace internal

void Collective::Abort(int exit_code) { std::_Exit(exit_code); }

void Collective::Count(int64_t bytes) {
  const char* operation = OperationScope::Current();
  Traffic& traffic = traffic_[operation != nullptr ? operation : ""];
  ++traffic.calls;
  traffic.bytes += bytes;
}

void OneRank::AllReduceSum(Array& values) { internal::RequireSummable(values); }
void OneRank::Broadcast(Array& values, int root) { internal::RequireBroadcast(values, root, 1); }

std::vector<double> GatherInRankOrder(Collective& collective, std::span<const double> values) {
  if (collective.world_size() == 1) return {values.begin(), values.end()};
  std::vector<double> counts(collective.world_size(), 0.0);
  counts[collective.rank()] = static_cast<double>(values.size());
  collective.AllReduceSum(counts);
  size_t before = 0, total = 0;
  for (int rank = 0; rank < collective.world_size(); ++rank) {
    if (rank == collective.rank()) before = total;
    total += static_cast<size_t>(counts[rank]);
  }
  std::vector<double> gathered(total, 0.0);
  std::copy(values.begin(), values.end(), gathered.begin() + static_cast<std::ptrdiff_t>(before));
  if (total > 0) collective.AllReduceSum(gathered);
  return gathered;
}

}  // namespace autograd
