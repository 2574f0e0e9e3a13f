#include "autograd/cuda/cuda_stream.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/runtime/recording_memory.h"

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

// Makes a device current for its life, for work on a stream that need not be the thread's own. CUDA's runtime keeps the
// current device for each thread: to ask it is cheap, and right also where other code of the process has changed it.
class DeviceScope {
 public:
  explicit DeviceScope(int device) {
    int current = kNone;
    if (cudaGetDevice(&current) == cudaSuccess && current == device) return;
    previous_ = current;
    error_ = cudaSetDevice(device);
  }
  DeviceScope(int device, const char* operation) : DeviceScope(device) { Check(error_, operation); }
  ~DeviceScope() {
    if (previous_ != kNone) cudaSetDevice(previous_);
  }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

  cudaError_t error() const { return error_; }

 private:
  static constexpr int kNone = -1;
  int previous_ = kNone;
  cudaError_t error_ = cudaSuccess;
};

// Page-locked host memory through which arrays go to the device, so that the host need not wait for the copy: a block
// is used again when the copies from it have ended.
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
    const DeviceScope scope(device_);
    void* pointer = nullptr;
    if (scope.error() != cudaSuccess || cudaMalloc(&pointer, bytes) != cudaSuccess) {
      cudaGetLastError();  // "no memory" is an answer here, not a state to keep
      return nullptr;
    }
    return pointer;
  }
  // Frees only after everything queued has run: another block may still be read by a kernel in flight.
  void Release(void* pointer, size_t) override {
    const DeviceScope scope(device_);
    cudaDeviceSynchronize();
    cudaFree(pointer);
  }

 private:
  int device_;
};

// With AUTOGRAD_EXACT_MEMORY=1 in the environment each array is an allocation of CUDA's, given back when the array
// goes: slow, and what compute-sanitizer needs to see an access beside or after it.
BlockPolicy PolicyOfTheEnvironment() {
  const char* const exact = std::getenv("AUTOGRAD_EXACT_MEMORY");
  return exact != nullptr && std::string(exact) == "1" ? BlockPolicy::kExact : BlockPolicy::kCached;
}

struct Memory {
  explicit Memory(int device)
      : source(device), allocator(&source, Device{DeviceType::kCuda, device}, PolicyOfTheEnvironment()) {}
  DeviceMemory source;
  Allocator allocator;
};

// What a recording allocates. Arrays that it made may outlive it, so its allocator does.
struct Pool {
  Pool(MemorySource* source, Device device) : memory(source), allocator(&memory, device) {}
  RecordingMemory memory;
  Allocator allocator;
};

// A graph with the memory that it uses: arrays in `pool`, what it copies from the host in page-locked blocks.
class Graph : public Recording {
 public:
  Graph(int device, cudaStream_t stream, Pool* pool) : device_(device), stream_(stream), pool_(pool) {}
  ~Graph() override {
    cudaStreamSynchronize(stream_);
    if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
    for (void* block : host_blocks_) cudaFreeHost(block);
    pool_->allocator.Trim();
    pool_->memory.ReleaseKept();
  }

  void Replay() override {
    const DeviceScope scope(device_, "Recording::Replay");
    Check(cudaGraphLaunch(executable_, stream_), "Recording::Replay");
  }

  void Begin() { Check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "Record"); }
  void End() {
    cudaGraph_t graph = nullptr;
    Check(cudaStreamEndCapture(stream_, &graph), "Record");
    const cudaError_t error = cudaGraphInstantiate(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    Check(error, "Record");
  }
  // After an Error in the recorded work.
  void Abandon() {
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess) cudaGraphDestroy(graph);
    cudaGetLastError();
  }

  // A copy of the host's bytes that lives as long as the graph.
  const void* Keep(const void* host, size_t bytes) {
    void*& block = host_blocks_.emplace_back(nullptr);
    Check(cudaHostAlloc(&block, bytes, cudaHostAllocDefault), "CopyFromHost");
    std::memcpy(block, host, bytes);
    return block;
  }

 private:
  const int device_;
  cudaStream_t stream_;
  Pool* pool_;
  cudaGraphExec_t executable_ = nullptr;
  std::vector<void*> host_blocks_;
};

class CudaStream : public Stream {
 public:
  CudaStream(int device, cudaStream_t stream, std::shared_ptr<Memory> memory)
      : Stream(Device{DeviceType::kCuda, device}, &memory->allocator, stream),
        stream_(stream),
        memory_(std::move(memory)) {}
  ~CudaStream() override {
    cudaStreamSynchronize(stream_);
    if (reached_ != nullptr) cudaEventDestroy(reached_);
    cudaStreamDestroy(stream_);
  }

  static std::unique_ptr<Stream> Open(int device, std::shared_ptr<Memory> memory) {
    const DeviceScope scope(device, "OpenStream");
    cudaStream_t stream = nullptr;
    Check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "OpenStream");
    return std::make_unique<CudaStream>(device, stream, std::move(memory));
  }

  void MakeCurrent() noexcept override {
    int current = -1;
    if (cudaGetDevice(&current) != cudaSuccess || current != device().index) cudaSetDevice(device().index);
  }

  void Synchronize() override {
    RequireNotRecording("Synchronize");
    Check(cudaStreamSynchronize(stream_), "Synchronize");
  }
  void CopyToHost(void* host, const void* device, size_t bytes) override {
    RequireNotRecording("CopyToHost");
    Check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "CopyToHost");
    Synchronize();
  }
  void CopyFromHost(void* device, const void* host, size_t bytes) override {
    const DeviceScope scope(Stream::device().index, "CopyFromHost");
    if (recorded_ != nullptr) {
      return Check(cudaMemcpyAsync(device, recorded_->Keep(host, bytes), bytes, cudaMemcpyHostToDevice, stream_),
                   "CopyFromHost");
    }
    if (staging_.Copy(device, host, bytes, stream_)) return;
    Check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "CopyFromHost");
    Synchronize();  // `host` may be gone when this returns
  }
  void CopyOnDevice(void* to, const void* from, size_t bytes) override {
    const DeviceScope scope(device().index, "CopyOnDevice");
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "CopyOnDevice");
  }
  void FillZero(void* device, size_t bytes) override {
    const DeviceScope scope(Stream::device().index, "FillZero");
    Check(cudaMemsetAsync(device, 0, bytes, stream_), "FillZero");
  }

  std::unique_ptr<Recording> Record(std::function<void()> work) override {
    RequireNotRecording("Record");
    const DeviceScope scope(device().index, "Record");
    memory_->allocator.Trim();  // the recording needs as much again
    Pool& pool = *pools_.emplace_back(std::make_unique<Pool>(&memory_->source, device()));
    auto graph = std::make_unique<Graph>(device().index, stream_, &pool);
    graph->Begin();
    recorded_ = graph.get();
    UseAllocator(&pool.allocator);
    const auto stop = [this] {
      recorded_ = nullptr;
      UseAllocator(&memory_->allocator);
    };
    try {
      work();
    } catch (...) {
      stop();
      graph->Abandon();
      pool.memory.EndRecording();
      throw;
    }
    stop();
    graph->End();
    pool.memory.EndRecording();
    return graph;
  }

  std::unique_ptr<Stream> OpenBeside() override { return Open(device().index, memory_); }
  void WaitFor(Stream& other) override {
    const DeviceScope scope(device().index, "WaitFor");
    if (reached_ == nullptr) Check(cudaEventCreateWithFlags(&reached_, cudaEventDisableTiming), "WaitFor");
    Check(cudaEventRecord(reached_, static_cast<cudaStream_t>(other.native())), "WaitFor");
    Check(cudaStreamWaitEvent(stream_, reached_, 0), "WaitFor");
  }

 private:
  void RequireNotRecording(const char* operation) const {
    Require(recorded_ == nullptr, operation, "a recorded step may not wait for the device or read from it");
  }

  cudaStream_t stream_;
  cudaEvent_t reached_ = nullptr;
  std::shared_ptr<Memory> memory_;
  std::vector<std::unique_ptr<Pool>> pools_;
  Staging staging_;
  Graph* recorded_ = nullptr;
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

int DeviceCount() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::unique_ptr<Stream> OpenCudaStream(int device) {
  return CudaStream::Open(device, std::make_shared<Memory>(device));
}

}  // namespace autograd::cuda
