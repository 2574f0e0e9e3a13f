#pragma once

// A Stream is the place where kernels run: a device, its queue and its allocator. Ops use the ambient `Stream::Current()`;
// kernels get it as their first argument.

#include "autograd/runtime/allocator.h"
#include "autograd/runtime/device.h"

namespace autograd {

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

  // Waits until everything queued has run; nothing to do on the CPU.
  virtual void Synchronize() {}
  // Copies between host memory and this stream's device, and waits.
  virtual void CopyToHost(void* host, const void* device, size_t bytes);
  virtual void CopyFromHost(void* device, const void* host, size_t bytes);
  virtual void CopyOnDevice(void* to, const void* from, size_t bytes);
  virtual void FillZero(void* device, size_t bytes);

  // The thread's stream: the innermost StreamScope, or the CPU's.
  static Stream& Current();
  static Stream& Cpu();

 private:
  friend class StreamScope;
  Device device_;
  Allocator* allocator_;
  void* native_;
};

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
