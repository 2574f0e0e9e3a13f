// Which device is current, by a runtime of the test's own: no device is needed. The functions of CUDA's runtime are
// replaced by the linker's --wrap, one by one (BUILD). As on CUDA, each thread has a current device, what is made
// belongs to it, and kernels, memory sets, events and graphs on a stream of another device fail.

#include "autograd/cuda/cuda_stream.h"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <thread>

#include "autograd/runtime/error.h"
#include "autograd/runtime/stream.h"

namespace {

constexpr int kDevices = 2;
thread_local int current_device = 0;
size_t bytes_of_last_block = 0;

// By stream, event and block of memory.
std::map<const void*, int>& Owners() {
  static auto* const owners = new std::map<const void*, int>();
  return *owners;
}
template <typename Handle>
cudaError_t Make(Handle* handle) {
  *handle = reinterpret_cast<Handle>(std::malloc(1));
  Owners()[*handle] = current_device;
  return cudaSuccess;
}
cudaError_t Remove(void* handle) {
  Owners().erase(handle);
  std::free(handle);
  return cudaSuccess;
}
cudaError_t NeedsCurrent(const void* handle) {
  return Owners().at(handle) == current_device ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

}  // namespace

extern "C" {

cudaError_t __wrap_cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}
cudaError_t __wrap_cudaSetDevice(int device) {
  if (device >= kDevices) return cudaErrorInvalidDevice;
  current_device = device;
  return cudaSuccess;
}

cudaError_t __wrap_cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return Make(stream); }
cudaError_t __wrap_cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t __wrap_cudaStreamDestroy(cudaStream_t stream) { return Remove(stream); }
cudaError_t __wrap_cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }

cudaError_t __wrap_cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return Make(event); }
cudaError_t __wrap_cudaEventDestroy(cudaEvent_t event) { return Remove(event); }
cudaError_t __wrap_cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t __wrap_cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t __wrap_cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return NeedsCurrent(event) != cudaSuccess ? cudaErrorInvalidResourceHandle : NeedsCurrent(stream);
}

cudaError_t __wrap_cudaMalloc(void** block, size_t bytes) {
  bytes_of_last_block = bytes;
  return Make(block);
}
cudaError_t __wrap_cudaFree(void* block) { return NeedsCurrent(block) == cudaSuccess ? Remove(block) : cudaSuccess; }
cudaError_t __wrap_cudaHostAlloc(void** block, size_t bytes, unsigned) {
  *block = std::malloc(bytes);
  return cudaSuccess;
}
cudaError_t __wrap_cudaFreeHost(void* block) {
  std::free(block);
  return cudaSuccess;
}
cudaError_t __wrap_cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t __wrap_cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t) { return cudaSuccess; }
cudaError_t __wrap_cudaMemsetAsync(void*, int, size_t, cudaStream_t stream) { return NeedsCurrent(stream); }

cudaError_t __wrap_cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) { return NeedsCurrent(stream); }
cudaError_t __wrap_cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  return NeedsCurrent(stream);
}
cudaError_t __wrap_cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t, unsigned long long) {
  return Make(executable);
}
cudaError_t __wrap_cudaGraphDestroy(cudaGraph_t) { return cudaSuccess; }
cudaError_t __wrap_cudaGraphExecDestroy(cudaGraphExec_t executable) { return Remove(executable); }
cudaError_t __wrap_cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return NeedsCurrent(executable) != cudaSuccess ? cudaErrorInvalidResourceHandle : NeedsCurrent(stream);
}

}  // extern "C"

namespace autograd::cuda {
namespace {

// What cudaLaunchKernel would say.
cudaError_t Launch(const Stream& stream) { return NeedsCurrent(stream.native()); }

class CudaStreamTest : public ::testing::Test {
 protected:
  CudaStreamTest() { current_device = 0; }
  ~CudaStreamTest() override {
    first_.reset();
    second_.reset();
    EXPECT_TRUE(Owners().empty()) << "not given back, or under another device: " << Owners().size();
  }

  std::unique_ptr<Stream> first_ = OpenCudaStream(0), second_ = OpenCudaStream(1);
};

TEST_F(CudaStreamTest, AScopeMakesTheDeviceOfItsStreamCurrent) {
  const StreamScope scope(*first_);
  EXPECT_EQ(Launch(*first_), cudaSuccess);
  {
    const StreamScope inner(*second_);
    EXPECT_EQ(Launch(*second_), cudaSuccess);
    EXPECT_EQ(Launch(*first_), cudaErrorInvalidResourceHandle);
  }
  EXPECT_EQ(Launch(*first_), cudaSuccess);
  std::thread([&] {
    const StreamScope here(*second_);
    EXPECT_EQ(Launch(*second_), cudaSuccess);
  }).join();
}

// Copies between devices, and memory that is given back, concern a stream that is not the thread's own.
TEST_F(CudaStreamTest, WorkOnTheStreamOfAnotherDeviceLeavesTheThreadsDevice) {
  const StreamScope scope(*first_);
  const Allocator::Block block = second_->allocator().Allocate(64);
  EXPECT_EQ(Owners().at(block.pointer), 1);
  const char bytes[64] = {};
  second_->CopyFromHost(block.pointer, bytes, sizeof(bytes));
  second_->CopyFromHost(block.pointer, bytes, sizeof(bytes));
  second_->FillZero(block.pointer, sizeof(bytes));
  {
    const std::unique_ptr<Stream> beside = second_->OpenBeside();
    EXPECT_EQ(Owners().at(beside->native()), 1);
    second_->WaitFor(*beside);
    beside->WaitFor(*second_);
  }
  const std::unique_ptr<Recording> recording =
      second_->Record([&] { second_->FillZero(block.pointer, sizeof(bytes)); });
  recording->Replay();
  second_->allocator().Free(block);
  second_->allocator().Trim();
  EXPECT_EQ(current_device, 0);
  EXPECT_EQ(Launch(*first_), cudaSuccess);
}

TEST_F(CudaStreamTest, MemoryIsExactWhereTheEnvironmentAsks) {
  const size_t others = Owners().size();
  for (const bool exact : {false, true}) {
    ASSERT_EQ(setenv("AUTOGRAD_EXACT_MEMORY", exact ? "1" : "0", 1), 0);
    const std::unique_ptr<Stream> stream = OpenCudaStream(0);
    const Allocator::Block block = stream->allocator().Allocate(1001);
    EXPECT_EQ(bytes_of_last_block == 1001, exact) << bytes_of_last_block;
    stream->allocator().Free(block);
    EXPECT_EQ(Owners().contains(block.pointer), !exact);
  }
  unsetenv("AUTOGRAD_EXACT_MEMORY");
  EXPECT_EQ(Owners().size(), others);
}

TEST_F(CudaStreamTest, ADeviceThatIsNotThereIsAnError) {
  EXPECT_THROW(OpenCudaStream(kDevices), Error);
  EXPECT_EQ(current_device, 0);
}

}  // namespace
}  // namespace autograd::cuda
