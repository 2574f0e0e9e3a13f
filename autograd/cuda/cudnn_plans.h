#pragma once

// Plans of cuDNN's graph interface: one operation a graph, found once and run often.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "autograd/cuda/cudnn.h"
#include "autograd/runtime/dtype.h"
#include "autograd/runtime/stream.h"

namespace autograd::cuda {

// cuDNN's handles and plans serve one thread at a time: while this lives, the calling one. What it runs is queued on
// the stream.
class CudnnSession {
 public:
  // An Error naming `operation` where cuDNN is missing.
  CudnnSession(const char* operation, Stream& stream);
  cudnnHandle_t handle() const { return handle_; }
  int device() const { return device_; }

 private:
  std::lock_guard<std::mutex> lock_;
  cudnnHandle_t handle_ = nullptr;
  int device_;
};

struct CudnnPlan {
  CudnnDescriptor execution;
  int64_t workspace = 0;  // bytes
};

struct PlanSearch {
  // None where the device or the library cannot run the operation.
  std::vector<CudnnPlan> plans;
  // What stood in the way of a plan, such as a lack of memory: a later search may find it. "" when cuDNN has answered.
  std::string obstacle;

  // Of the operation or of a step on the way to a plan.
  void Note(const CudnnDescriptor& failed) {
    if (failed.MaySucceedLater() && obstacle.empty()) obstacle = failed.error();
  }
};

// Plans of a finalised operation, in the order of cuDNN's heuristic, at most `most`. Their results repeat, and float32
// is not rounded on its way in.
PlanSearch FindPlans(const CudnnSession& session, const CudnnDescriptor& operation, DType dtype, size_t most);

// The plan of each operation that was asked for, or that cuDNN has none. Used under the session's lock.
template <typename Key>
class KnownPlans {
 public:
  struct Found {
    const CudnnPlan* plan = nullptr;
    std::string why_none;
  };

  // `search()` gives the PlanSearch of which the first plan is kept. It is called where nothing is known: a search that
  // met an obstacle, or threw, leaves nothing behind.
  template <typename Search>
  Found Find(const Key& key, const Search& search) {
    auto known = plans_.find(key);
    if (known == plans_.end()) {
      PlanSearch result = search();
      if (result.plans.empty() && !result.obstacle.empty()) return {nullptr, result.obstacle};
      std::unique_ptr<CudnnPlan> plan;
      if (!result.plans.empty()) plan = std::make_unique<CudnnPlan>(std::move(result.plans.front()));
      known = plans_.emplace(key, std::move(plan)).first;
    }
    return {known->second.get(), known->second == nullptr ? "cuDNN has no plan" : ""};
  }

 private:
  std::map<Key, std::unique_ptr<CudnnPlan>> plans_;
};

struct CudnnOperand {
  int64_t id;           // of its descriptor
  const void* pointer;  // on the device; on the host for a number by value
};
cudnnStatus_t RunPlan(const CudnnSession& session, const CudnnPlan& plan, std::span<const CudnnOperand> operands);

// A tensor with cuDNN's order of axes, which need not be that of the memory, at an address that is a multiple of
// kCudnnAlignment.
constexpr uintptr_t kCudnnAlignment = 16;
CudnnDescriptor CudnnTensor(int64_t id, cudnnDataType_t type, const std::vector<int64_t>& extents,
                            const std::vector<int64_t>& strides);
cudnnDataType_t CudnnType(DType dtype);

// False for a slice that begins between two of these multiples: plans would read it wrongly. kNotAligned says so.
constexpr char kNotAligned[] = "an operand begins between two multiples of 16 bytes";
template <typename... Arrays>
bool CudnnAligned(const Arrays&... arrays) {
  return ((reinterpret_cast<uintptr_t>(arrays.raw()) % kCudnnAlignment == 0) && ...);
}

}  // namespace autograd::cuda
