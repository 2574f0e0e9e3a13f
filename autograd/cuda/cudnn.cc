#include "autograd/cuda/cudnn.h"

#include <utility>

namespace autograd::cuda {

void CudnnDescriptor::Note(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS || !ok()) return;
  status_ = status;
  char message[512] = "";
  Cudnn::Library().GetLastErrorString(message, sizeof(message));
  error_ =
      std::string(what) + ": " + Cudnn::Library().GetErrorString(status) + (message[0] != '\0' ? ", " : "") + message;
}

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type) {
  Note(Cudnn::Library().BackendCreateDescriptor(type, &descriptor_), "cudnnBackendCreateDescriptor");
}

CudnnDescriptor::~CudnnDescriptor() {
  if (descriptor_ != nullptr) Cudnn::Library().BackendDestroyDescriptor(descriptor_);
}

CudnnDescriptor::CudnnDescriptor(CudnnDescriptor&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, nullptr)), status_(other.status_), error_(std::move(other.error_)) {}

CudnnDescriptor& CudnnDescriptor::operator=(CudnnDescriptor&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(status_, other.status_);
  std::swap(error_, other.error_);
  return *this;
}

CudnnDescriptor& CudnnDescriptor::Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                                      const void* values) {
  if (ok()) {
    const std::string what = "attribute " + std::to_string(static_cast<int>(name));
    Note(Cudnn::Library().BackendSetAttribute(descriptor_, name, type, count, values), what.c_str());
  }
  return *this;
}

CudnnDescriptor& CudnnDescriptor::Set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
  if (ok() && !value.ok()) {
    status_ = value.status_;
    error_ = value.error_;
  }
  const cudnnBackendDescriptor_t descriptor = value.get();
  return Set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &descriptor);
}

CudnnDescriptor& CudnnDescriptor::Finalize() {
  if (ok()) Note(Cudnn::Library().BackendFinalize(descriptor_), "cudnnBackendFinalize");
  return *this;
}

int64_t CudnnDescriptor::GetInt64(cudnnBackendAttributeName_t name) const {
  int64_t value = 0, count = 0;
  Cudnn::Library().BackendGetAttribute(descriptor_, name, CUDNN_TYPE_INT64, 1, &count, &value);
  return value;
}

int64_t CudnnDescriptor::Count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
  int64_t count = 0;
  Cudnn::Library().BackendGetAttribute(descriptor_, name, type, 0, &count, nullptr);
  return count;
}

int64_t CudnnDescriptor::GetDescriptors(cudnnBackendAttributeName_t name,
                                        std::vector<CudnnDescriptor>& descriptors) const {
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const CudnnDescriptor& descriptor : descriptors) raw.push_back(descriptor.get());
  int64_t count = 0;
  const cudnnStatus_t status = Cudnn::Library().BackendGetAttribute(
      descriptor_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(raw.size()), &count, raw.data());
  return status == CUDNN_STATUS_SUCCESS ? count : 0;
}

std::vector<cudnnBackendNumericalNote_t> CudnnDescriptor::NumericalNotes() const {
  std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  int64_t count = 0;
  Cudnn::Library().BackendGetAttribute(descriptor_, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                       CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes.data());
  notes.resize(count);
  return notes;
}

}  // namespace autograd::cuda
