#include "autograd/collective/fake_nccl.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "autograd/collective/nccl_library.h"
#include "autograd/runtime/error.h"

namespace autograd {
namespace fake_nccl {
namespace {

constexpr char kName[] = "fake NCCL";

Counts counts;

struct Sum {
  ncclDataType_t type;
  size_t count;
  std::vector<void*> arrays;  // of the ranks that have come
};
struct World {
  int ranks;
  std::deque<Sum> sums;
};
struct Communicator {
  World* world = nullptr;
  size_t sums = 0;  // that this rank has asked for
  int splits = 0;
  std::map<cudaStream_t, std::vector<size_t>> queued;

  bool Unfinished(size_t sum) const { return static_cast<int>(world->sums[sum].arrays.size()) < world->ranks; }
};

std::map<std::string, std::unique_ptr<World>>& Worlds() {
  static auto* const worlds = new std::map<std::string, std::unique_ptr<World>>();
  return *worlds;
}
std::set<Communicator*>& Communicators() {
  static auto* const communicators = new std::set<Communicator*>();
  return *communicators;
}
Communicator& Of(ncclComm_t handle) { return *reinterpret_cast<Communicator*>(handle); }

// Waits for what communicators have queued on the stream; null: on any, of one communicator.
void Wait(const Communicator& communicator, const cudaStream_t* stream) {
  for (const auto& [queue, sums] : communicator.queued) {
    if (stream != nullptr && queue != *stream) continue;
    if (std::any_of(sums.begin(), sums.end(), [&](size_t sum) { return communicator.Unfinished(sum); }))
      ++counts.waits_for_ever;
  }
}

ncclResult_t GetUniqueId(ncclUniqueId* id) {
  static int worlds = 0;
  *id = {};
  const std::string name = std::to_string(++worlds);
  std::copy(name.begin(), name.end(), id->internal);
  return ncclSuccess;
}

ncclResult_t CommInitRank(ncclComm_t* handle, int ranks, ncclUniqueId id, int) {
  std::unique_ptr<World>& world = Worlds()[std::string(id.internal, sizeof(id.internal))];
  if (world == nullptr) world = std::make_unique<World>(World{ranks, {}});
  Require(world->ranks == ranks, kName, "a world of ", world->ranks, " and of ", ranks);
  auto* const communicator = new Communicator();
  communicator->world = world.get();
  Communicators().insert(communicator);
  *handle = reinterpret_cast<ncclComm_t>(communicator);
  return ncclSuccess;
}

// The same ranks again. Real ranks wait here for one another.
ncclResult_t CommSplit(ncclComm_t handle, int color, int key, ncclComm_t* split, ncclConfig_t*) {
  Communicator& communicator = Of(handle);
  Require(color == 0, kName, "knows one color only");
  ncclUniqueId id = {};
  std::snprintf(id.internal, sizeof(id.internal), "%p/%d", static_cast<void*>(communicator.world),
                ++communicator.splits);
  return CommInitRank(split, communicator.world->ranks, id, key);
}

void Remove(ncclComm_t handle) {
  Require(Communicators().erase(&Of(handle)) == 1, kName, "a communicator that is gone");
  delete &Of(handle);
}
ncclResult_t CommDestroy(ncclComm_t handle) {
  Wait(Of(handle), nullptr);
  ++counts.destroyed;
  Remove(handle);
  return ncclSuccess;
}

ncclResult_t CommAbort(ncclComm_t handle) {
  ++counts.aborted;
  Remove(handle);
  return ncclSuccess;
}

ncclResult_t CommGetAsyncError(ncclComm_t, ncclResult_t* state) {
  *state = ncclSuccess;
  return ncclSuccess;
}

template <typename T>
void Add(const Sum& sum) {
  for (size_t i = 0; i < sum.count; ++i) {
    T total = 0;
    for (const void* array : sum.arrays) total += static_cast<const T*>(array)[i];
    for (void* array : sum.arrays) static_cast<T*>(array)[i] = total;
  }
}

ncclResult_t AllReduce(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t operation,
                       ncclComm_t handle, cudaStream_t stream) {
  Communicator& communicator = Of(handle);
  Require(send == receive && operation == ncclSum, kName, "knows sums in place only");
  std::deque<Sum>& sums = communicator.world->sums;
  if (communicator.sums == sums.size()) sums.push_back({type, count, {}});
  Sum& sum = sums[communicator.sums];
  Require(sum.type == type && sum.count == count, kName, "ranks bring ", sum.count, " and ", count,
          " elements, dtypes ", static_cast<int>(sum.type), " and ", static_cast<int>(type));
  sum.arrays.push_back(receive);
  communicator.queued[stream].push_back(communicator.sums++);
  counts.most_queues = std::max<int64_t>(counts.most_queues, static_cast<int64_t>(communicator.queued.size()));
  if (static_cast<int>(sum.arrays.size()) < communicator.world->ranks) return ncclSuccess;
  if (type == ncclFloat32) {
    Add<float>(sum);
  } else if (type == ncclFloat64) {
    Add<double>(sum);
  } else if (type == ncclInt64) {
    Add<int64_t>(sum);
  } else {
    Fail(kName, "dtype ", static_cast<int>(type));
  }
  return ncclSuccess;
}

const char* GetErrorString(ncclResult_t) { return "a result of the fake"; }

}  // namespace

Counts TakeCounts() { return std::exchange(counts, {}); }

}  // namespace fake_nccl

const Nccl& Nccl::Library() {
  namespace fake = fake_nccl;
  static const Nccl library = [] {
    Nccl table;
    table.GetUniqueId = fake::GetUniqueId;
    table.CommInitRank = fake::CommInitRank;
    table.CommSplit = fake::CommSplit;
    table.CommDestroy = fake::CommDestroy;
    table.CommAbort = fake::CommAbort;
    table.CommGetAsyncError = fake::CommGetAsyncError;
    table.AllReduce = fake::AllReduce;
    table.GetErrorString = fake::GetErrorString;
    return table;
  }();
  return library;
}

}  // namespace autograd

extern "C" {

cudaError_t __wrap_cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t __wrap_cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  *stream = reinterpret_cast<cudaStream_t>(new char);
  return cudaSuccess;
}
cudaError_t __wrap_cudaStreamSynchronize(cudaStream_t stream) {
  for (const autograd::fake_nccl::Communicator* communicator : autograd::fake_nccl::Communicators())
    autograd::fake_nccl::Wait(*communicator, &stream);
  return cudaSuccess;
}
cudaError_t __wrap_cudaStreamDestroy(cudaStream_t stream) {
  delete reinterpret_cast<char*>(stream);
  return cudaSuccess;
}
cudaError_t __wrap_cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }

cudaError_t __wrap_cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = nullptr;
  return cudaSuccess;
}
cudaError_t __wrap_cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t __wrap_cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }

}  // extern "C"
