#pragma once

// A Stream is the place where kernels run: a device, its queue and its allocator. Ops use the ambient
// `Stream::Current()`; kernels get it as their first argument.

#include <functional>
#include <memory>

#include "autograd/runtime/allocator.h"
#include "autograd/runtime/device.h"

namespace autograd {

// Work that was recorded once and runs as often as it is replayed, with the arguments and on the memory of its
// recording.
class Recording {
 public:
  virtual ~Recording() = default;
  // Queues the work on the stream that recorded it.
  virtual void Replay() = 0;
};

class Stream {
 public:
  Stream(Device device, Allocator* allocator, void* native = nullptr)
      : device_(device), allocator_(allocator), native_(native) {}
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Device device() const { return device_; }
  Allocator& allocator() const { return *allocator_; }
  void* native() const { return native_; }  // cudaStream_t on CUDA, null on the CPU

  // Makes this stream's device the calling thread's: CUDA starts kernels and records events on queues of the current
  // device only. StreamScope calls it. A failure shows at the launch that follows. Nothing to do on the CPU.
  virtual void MakeCurrent() noexcept {}

  // Waits until everything queued has run; nothing to do on the CPU.
  virtual void Synchronize() {}
  // Copies between host memory and this stream's device, and waits.
  virtual void CopyToHost(void* host, const void* device, size_t bytes);
  virtual void CopyFromHost(void* device, const void* host, size_t bytes);
  virtual void CopyOnDevice(void* to, const void* from, size_t bytes);
  virtual void FillZero(void* device, size_t bytes);

  // Records what `work` queues, without running it: on CUDA, a graph. `work` must not wait for the device or read from
  // it; what it copies from the host is copied as it is now. Arrays that it creates lie in memory of the recording's
  // own, so a replay never writes into arrays of anybody else; they must not outlive the stream. The CPU has nothing to
  // record: there a replay calls `work`.
  virtual std::unique_ptr<Recording> Record(std::function<void()> work);

  // Another queue of this device, for copies beside the kernels. It shares the allocator, so that memory must not be
  // given back while the other queue uses it.
  virtual std::unique_ptr<Stream> OpenBeside();
  // What is queued here from now on runs after everything that `other`, a queue of the same device, has been given so
  // far. The host does not wait.
  virtual void WaitFor(Stream& other);

  // The thread's stream: the innermost StreamScope, or the CPU's.
  static Stream& Current();
  static Stream& Cpu();

 protected:
  // While it records.
  void UseAllocator(Allocator* allocator) { allocator_ = allocator; }

 private:
  friend class StreamScope;
  Device device_;
  Allocator* allocator_;
  void* native_;
};

// Makes `stream` and its device the calling thread's for the scope's life; then those of the scope around it are again.
class StreamScope {
 public:
  explicit StreamScope(Stream& stream);
  ~StreamScope();
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  Stream* previous_;
};

}  // namespace autograd
