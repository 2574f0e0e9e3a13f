#include "autograd/collective/nccl.h"

#include <cuda_runtime_api.h>

#include <cstring>
#include <exception>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/collective/nccl_library.h"
#include "autograd/core/array_kernels.h"

namespace autograd {
namespace {

ncclDataType_t DataType(DType dtype) {
  switch (dtype) {
    case kFloat32:
      return ncclFloat32;
    case kFloat64:
      return ncclFloat64;
    case kBFloat16:
      return ncclBfloat16;
    case kInt32:
      return ncclInt32;
    case kInt64:
      return ncclInt64;
    case kUInt8:
      return ncclUint8;
  }
  return ncclUint8;
}

class NcclRank final : public Collective {
 public:
  // Takes both communicators.
  NcclRank(Stream& stream, int rank, int world_size, ncclComm_t communicator, ncclComm_t beside)
      : stream_(stream), rank_(rank), world_size_(world_size), communicator_(communicator), beside_(beside) {
    // Before the kernels of the backward pass, so that what a sum has waited for is on its way at once.
    int least = 0, greatest = 0;
    CheckCuda(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    CheckCuda(cudaStreamCreateWithPriority(&sums_, cudaStreamNonBlocking, greatest));
    CheckCuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
  }
  // Behind an exception other ranks may never come to a sum that this one has begun: what is under way is given up. To
  // wait for it would hide the exception for ever.
  ~NcclRank() override {
    if (std::uncaught_exceptions() > exceptions_) {
      Nccl::Library().CommAbort(beside_);
      Nccl::Library().CommAbort(communicator_);
    } else {
      cudaStreamSynchronize(sums_);
      Nccl::Library().CommDestroy(beside_);
      Nccl::Library().CommDestroy(communicator_);
    }
    cudaEventDestroy(event_);
    cudaStreamDestroy(sums_);
  }

  int rank() const override { return rank_; }
  int world_size() const override { return world_size_; }

  void AllReduceSum(std::span<double> values) override {
    Count(static_cast<int64_t>(values.size_bytes()));
    SumOfHost(values);
  }

  void AllReduceSum(Array& values) override {
    internal::RequireSummable(values);
    Count(values.bytes());
    OnDevice(values, [&](Array& device) {
      if (device.dtype() == kBFloat16) {
        Array wide = Array::Empty(device.shape(), kFloat32);
        kernels::Convert(stream_, device, wide);
        Sum(wide, communicator_, Native());
        kernels::Convert(stream_, wide, device);
      } else {
        Sum(device, communicator_, Native());
      }
    });
  }

  void Broadcast(Array& values, int root) override {
    internal::RequireBroadcast(values, root, world_size_);
    Count(values.bytes());
    OnDevice(values, [&](Array& device) {
      Check(Nccl::Library().Broadcast(device.raw(), device.raw(), static_cast<size_t>(device.size()),
                                      DataType(device.dtype()), root, communicator_, Native()));
    });
  }

  // On a queue of its own, behind what the stream has been given so far.
  void StartSum(Array& values) override {
    internal::RequireSummable(values);
    if (values.device().type != DeviceType::kCuda || values.dtype() == kBFloat16) return AllReduceSum(values);
    Count(values.bytes());
    StreamScope scope(stream_);
    CheckCuda(cudaEventRecord(event_, Native()));
    CheckCuda(cudaStreamWaitEvent(sums_, event_));
    Sum(values, beside_, sums_);
  }
  void FinishSums() override {
    StreamScope scope(stream_);
    CheckCuda(cudaEventRecord(event_, sums_));
    CheckCuda(cudaStreamWaitEvent(Native(), event_));
  }

  void Barrier() override {
    double nothing[1] = {0};
    SumOfHost(nothing);
  }

 private:
  static void CheckCuda(cudaError_t error) { Require(error == cudaSuccess, "Collective", cudaGetErrorString(error)); }
  void Check(ncclResult_t result) const {
    Require(result == ncclSuccess, "Collective", "NCCL, rank ", rank_, " of ", world_size_, ": ",
            Nccl::Library().GetErrorString(result));
  }
  // What other ranks or the network did since the last call.
  void CheckAlive(ncclComm_t communicator) const {
    ncclResult_t state = ncclSuccess;
    Check(Nccl::Library().CommGetAsyncError(communicator, &state));
    Check(state);
  }
  cudaStream_t Native() const { return static_cast<cudaStream_t>(stream_.native()); }

  void SumOfHost(std::span<double> values) {
    StreamScope scope(stream_);
    Array device = Array::FromHost({static_cast<int64_t>(values.size())}, kFloat64, values.data());
    Sum(device, communicator_, Native());
    device.CopyToHost(values.data());
    CheckAlive(communicator_);
  }

  void Sum(Array& device, ncclComm_t communicator, cudaStream_t queue) {
    CheckAlive(communicator);
    Check(Nccl::Library().AllReduce(device.raw(), device.raw(), static_cast<size_t>(device.size()),
                                    DataType(device.dtype()), ncclSum, communicator, queue));
  }

  template <typename Body>
  void OnDevice(Array& values, const Body& body) {
    StreamScope scope(stream_);
    if (values.device() == stream_.device()) return body(values);
    Array device = values.To(stream_);
    body(device);
    device.CopyToHost(values.raw());
  }

  Stream& stream_;
  const int rank_, world_size_;
  // NCCL runs what one communicator is given in order, whatever the queues: a sum that the stream waits for, such as
  // synchronised batch normalisation's, would stand behind the buckets of gradients. So those have one of their own.
  ncclComm_t communicator_, beside_;
  const int exceptions_ = std::uncaught_exceptions();  // already in flight when this was made
  cudaStream_t sums_ = nullptr;
  cudaEvent_t event_ = nullptr;
};

absl::Status Missing() {
  const std::string& missing = Nccl::Library().missing;
  return missing.empty() ? absl::OkStatus()
                         : absl::FailedPreconditionError(absl::StrCat(missing, ", which several GPUs need"));
}

}  // namespace

absl::StatusOr<std::string> NewNcclWorldId() {
  if (absl::Status status = Missing(); !status.ok()) return status;
  ncclUniqueId id;
  if (const ncclResult_t result = Nccl::Library().GetUniqueId(&id); result != ncclSuccess)
    return absl::FailedPreconditionError(absl::StrCat("NCCL: ", Nccl::Library().GetErrorString(result)));
  return std::string(id.internal, sizeof(id.internal));
}

absl::StatusOr<std::unique_ptr<Collective>> NcclWorld(Stream& stream, int rank, int world_size, const std::string& id) {
  if (absl::Status status = Missing(); !status.ok()) return status;
  Require(stream.device().type == DeviceType::kCuda, "NcclWorld", "on ", stream.device());
  ncclUniqueId unique;
  Require(id.size() == sizeof(unique.internal), "NcclWorld", "an id of ", id.size(), " bytes");
  std::memcpy(unique.internal, id.data(), id.size());
  const StreamScope scope(stream);
  const auto failed = [&](ncclResult_t result) {
    return absl::UnavailableError(
        absl::StrCat("NCCL, rank ", rank, " of ", world_size, ": ", Nccl::Library().GetErrorString(result)));
  };
  ncclComm_t communicator = nullptr, beside = nullptr;
  if (const ncclResult_t result = Nccl::Library().CommInitRank(&communicator, world_size, unique, rank);
      result != ncclSuccess) {
    return failed(result);
  }
  if (const ncclResult_t result = Nccl::Library().CommSplit(communicator, 0, rank, &beside, nullptr);
      result != ncclSuccess) {
    Nccl::Library().CommAbort(communicator);
    return failed(result);
  }
  return std::make_unique<NcclRank>(stream, rank, world_size, communicator, beside);
}

}  // namespace autograd
