#include "autograd/cuda/cuda_stream.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "autograd/runtime/error.h"

namespace autograd::cuda {
namespace {

void Check(cudaError_t error, const char* operation) {
  if (error == cudaSuccess) [[likely]] {
    return;
  }
  // Faults inside kernels are reported by whatever comes next.
  const bool by_a_kernel = error == cudaErrorIllegalAddress || error == cudaErrorLaunchFailure ||
                           error == cudaErrorMisalignedAddress || error == cudaErrorAssert;
  Fail(operation, cudaGetErrorString(error),
       by_a_kernel ? " in a kernel that was started before; with the environment variable CUDA_LAUNCH_BLOCKING=1 the "
                     "error names its operation"
                   : "");
}

// Page-locked host memory through which arrays go to the device, so that the host need not wait for the copy: a block is used again when
// the copies from it have ended.
class Staging {
 public:
  ~Staging() {
    for (Block& block : blocks_) {
      cudaEventSynchronize(block.copied);
      cudaEventDestroy(block.copied);
      cudaFreeHost(block.memory);
    }
  }

  // False when it is not worth a block of its own, or when there is no page-locked memory left.
  bool Copy(void* device, const void* host, size_t bytes, cudaStream_t stream) {
    if (bytes > kMostBytes) return false;
    Block* block = Find(bytes);
    if (block == nullptr) return false;
    std::memcpy(block->memory, host, bytes);
    Check(cudaMemcpyAsync(device, block->memory, bytes, cudaMemcpyHostToDevice, stream), "CopyFromHost");
    Check(cudaEventRecord(block->copied, stream), "CopyFromHost");
    return true;
  }

 private:
  static constexpr size_t kMostBytes = size_t{256} << 20, kMostBlocks = 16, kLeastBytes = size_t{64} << 10;

  struct Block {
    void* memory = nullptr;
    size_t bytes = 0;
    cudaEvent_t copied = nullptr;
  };

  // A free block, a new one while there are few, else the first that gets free.
  Block* Find(size_t bytes) {
    Block* fits = nullptr;
    for (Block& block : blocks_) {
      if (block.bytes < bytes || (fits != nullptr && fits->bytes <= block.bytes)) continue;
      if (cudaEventQuery(block.copied) == cudaSuccess) fits = &block;
    }
    if (fits != nullptr) return fits;
    if (blocks_.size() == kMostBlocks) {
      Block oldest = blocks_.front();
      blocks_.erase(blocks_.begin());
      cudaEventSynchronize(oldest.copied);
      if (oldest.bytes < bytes) {
        cudaEventDestroy(oldest.copied);
        cudaFreeHost(oldest.memory);
      } else {
        blocks_.push_back(oldest);
        return &blocks_.back();
      }
    }
    Block block;
    block.bytes = std::max(bytes, kLeastBytes);
    if (cudaHostAlloc(&block.memory, block.bytes, cudaHostAllocDefault) != cudaSuccess) {
      cudaGetLastError();
      return nullptr;
    }
    Check(cudaEventCreateWithFlags(&block.copied, cudaEventDisableTiming), "CopyFromHost");
    blocks_.push_back(block);
    return &blocks_.back();
  }

  std::vector<Block> blocks_;  // in the order of use, roughly
};

class DeviceMemory : public MemorySource {
 public:
  explicit DeviceMemory(int device) : device_(device) {}
  void* Reserve(size_t bytes) override {
    void* pointer = nullptr;
    if (cudaSetDevice(device_) != cudaSuccess || cudaMalloc(&pointer, bytes) != cudaSuccess) {
      cudaGetLastError();  // "no memory" is an answer here, not a state to keep
      return nullptr;
    }
    return pointer;
  }
  // Frees only after everything queued has run: another block may still be read by a kernel in flight.
  void Release(void* pointer, size_t) override {
    cudaSetDevice(device_);
    cudaDeviceSynchronize();
    cudaFree(pointer);
  }

 private:
  int device_;
};

class CudaStream : public Stream {
 public:
  CudaStream(int device, cudaStream_t stream, std::unique_ptr<DeviceMemory> memory,
             std::unique_ptr<Allocator> allocator)
      : Stream(Device{DeviceType::kCuda, device}, allocator.get(), stream),
        stream_(stream),
        memory_(std::move(memory)),
        allocator_(std::move(allocator)) {}
  ~CudaStream() override {
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }

  void Synchronize() override { Check(cudaStreamSynchronize(stream_), "Synchronize"); }
  void CopyToHost(void* host, const void* device, size_t bytes) override {
    Check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "CopyToHost");
    Synchronize();
  }
  void CopyFromHost(void* device, const void* host, size_t bytes) override {
    if (staging_.Copy(device, host, bytes, stream_)) return;
    Check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "CopyFromHost");
    Synchronize();  // `host` may be gone when this returns
  }
  void CopyOnDevice(void* to, const void* from, size_t bytes) override {
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "CopyOnDevice");
  }
  void FillZero(void* device, size_t bytes) override { Check(cudaMemsetAsync(device, 0, bytes, stream_), "FillZero"); }

 private:
  cudaStream_t stream_;
  Staging staging_;
  std::unique_ptr<DeviceMemory> memory_;
  std::unique_ptr<Allocator> allocator_;
};

}  // namespace

std::string WhyNoDevice() {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess) return count > 0 ? "" : "there is no CUDA device";
  // The same error stands for a driver that is too old and for none at all.
  if (error != cudaErrorInsufficientDriver) return cudaGetErrorString(error);
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return "no NVIDIA driver is installed";
  const auto version = [](int number) {
    return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
  };
  return "the NVIDIA driver is for CUDA " + version(driver) + ", this program for CUDA " + version(runtime);
}

std::unique_ptr<Stream> OpenCudaStream(int device) {
  Check(cudaSetDevice(device), "OpenStream");
  cudaStream_t stream = nullptr;
  Check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "OpenStream");
  auto memory = std::make_unique<DeviceMemory>(device);
  auto allocator = std::make_unique<Allocator>(memory.get(), Device{DeviceType::kCuda, device});
  return std::make_unique<CudaStream>(device, stream, std::move(memory), std::move(allocator));
}

}  // namespace autograd::cuda
