#pragma once

// cuDNN 9's graph interface, opened at run time, and its descriptors as values that clean up after themselves.

#include <cudnn.h>

#include <cstdint>
#include <string>
#include <vector>

namespace autograd::cuda {

struct Cudnn {
  decltype(&::cudnnCreate) Create = nullptr;
  decltype(&::cudnnSetStream) SetStream = nullptr;
  decltype(&::cudnnGetErrorString) GetErrorString = nullptr;
  decltype(&::cudnnGetLastErrorString) GetLastErrorString = nullptr;
  decltype(&::cudnnBackendCreateDescriptor) BackendCreateDescriptor = nullptr;
  decltype(&::cudnnBackendDestroyDescriptor) BackendDestroyDescriptor = nullptr;
  decltype(&::cudnnBackendSetAttribute) BackendSetAttribute = nullptr;
  decltype(&::cudnnBackendGetAttribute) BackendGetAttribute = nullptr;
  decltype(&::cudnnBackendFinalize) BackendFinalize = nullptr;
  decltype(&::cudnnBackendExecute) BackendExecute = nullptr;

  // Empty when every function was found.
  std::string missing;

  // Opened once for the process.
  static const Cudnn& Library();
};

// A descriptor of the backend. Setters chain; the first failure is kept in `status` and `error`, and what follows does
// nothing.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type);
  ~CudnnDescriptor();
  CudnnDescriptor(CudnnDescriptor&& other) noexcept;
  CudnnDescriptor& operator=(CudnnDescriptor&& other) noexcept;
  CudnnDescriptor(const CudnnDescriptor&) = delete;
  CudnnDescriptor& operator=(const CudnnDescriptor&) = delete;

  CudnnDescriptor& Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                       const void* values);
  CudnnDescriptor& Set(cudnnBackendAttributeName_t name, int64_t value) {
    return Set(name, CUDNN_TYPE_INT64, 1, &value);
  }
  CudnnDescriptor& Set(cudnnBackendAttributeName_t name, const std::vector<int64_t>& values) {
    return Set(name, CUDNN_TYPE_INT64, static_cast<int64_t>(values.size()), values.data());
  }
  CudnnDescriptor& Set(cudnnBackendAttributeName_t name, cudnnDataType_t value) {
    return Set(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
  }
  CudnnDescriptor& Set(cudnnBackendAttributeName_t name, float value) { return Set(name, CUDNN_TYPE_FLOAT, 1, &value); }
  CudnnDescriptor& Set(cudnnBackendAttributeName_t name, cudnnHandle_t value) {
    return Set(name, CUDNN_TYPE_HANDLE, 1, &value);
  }
  CudnnDescriptor& Set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value);
  CudnnDescriptor& Finalize();

  bool ok() const { return status_ == CUDNN_STATUS_SUCCESS; }
  // True when a failure says nothing of what is described, such as a lack of memory: the same may succeed later.
  bool MaySucceedLater() const {
    const int category = CUDNN_STATUS_CATEGORY(static_cast<int>(status_));
    return !ok() && category != CUDNN_STATUS_NOT_SUPPORTED && category != CUDNN_STATUS_BAD_PARAM;
  }
  const std::string& error() const { return error_; }
  cudnnBackendDescriptor_t get() const { return descriptor_; }

  int64_t GetInt64(cudnnBackendAttributeName_t name) const;
  // How many values the attribute has.
  int64_t Count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const;
  // Fills descriptors that were made for it; returns how many were filled.
  int64_t GetDescriptors(cudnnBackendAttributeName_t name, std::vector<CudnnDescriptor>& descriptors) const;
  std::vector<cudnnBackendNumericalNote_t> NumericalNotes() const;

 private:
  void Note(cudnnStatus_t status, const char* what);

  cudnnBackendDescriptor_t descriptor_ = nullptr;
  cudnnStatus_t status_ = CUDNN_STATUS_SUCCESS;
  std::string error_;
};

}  // namespace autograd::cuda
