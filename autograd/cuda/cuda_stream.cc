#include "autograd/cuda/cuda_stream.h"

#include <cuda_runtime_api.h>

#include "autograd/runtime/error.h"

namespace autograd::cuda {
namespace {

void Check(cudaError_t error, const char* operation) {
  Require(error == cudaSuccess, operation, cudaGetErrorString(error));
}

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
    Check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "CopyFromHost");
    Synchronize();  // `host` may be gone when this returns
  }
  void CopyOnDevice(void* to, const void* from, size_t bytes) override {
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "CopyOnDevice");
  }
  void FillZero(void* device, size_t bytes) override { Check(cudaMemsetAsync(device, 0, bytes, stream_), "FillZero"); }

 private:
  cudaStream_t stream_;
  std::unique_ptr<DeviceMemory> memory_;
  std::unique_ptr<Allocator> allocator_;
};

}  // namespace

const char* WhyNoDevice() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  return count > 0 ? "" : "no CUDA device";
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
