#pragma once

// Plans of cuDNN's graph interface: one operation a graph, found once and run often.

#include <cstdint>
#include <mutex>
#include <span>
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

// Of a finalised operation, in the order of cuDNN's heuristic, at most `most`; none where the device or the library
// cannot run it. Their results repeat, and float32 is not rounded on its way in.
std::vector<CudnnPlan> FindPlans(const CudnnSession& session, const CudnnDescriptor& operation, DType dtype,
                                 size_t most);

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

// False for a slice that begins between two of these multiples: plans would read it wrongly.
template <typename... Arrays>
bool CudnnAligned(const Arrays&... arrays) {
  return ((reinterpret_cast<uintptr_t>(arrays.raw()) % kCudnnAlignment == 0) && ...);
}

}  // namespace autograd::cuda
