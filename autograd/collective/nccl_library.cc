#include "autograd/collective/nccl_library.h"

#include "autograd/cuda/shared_library.h"

namespace autograd {

const Nccl& Nccl::Library() {
  static const Nccl* const library = [] {
    auto* table = new Nccl();
    const cuda::SharedLibrary file("libnccl.so.2");
    file.Get(table->GetUniqueId, "ncclGetUniqueId");
    file.Get(table->CommInitRank, "ncclCommInitRank");
    file.Get(table->CommSplit, "ncclCommSplit");
    file.Get(table->CommDestroy, "ncclCommDestroy");
    file.Get(table->CommAbort, "ncclCommAbort");
    file.Get(table->CommGetAsyncError, "ncclCommGetAsyncError");
    file.Get(table->AllReduce, "ncclAllReduce");
    file.Get(table->Broadcast, "ncclBroadcast");
    file.Get(table->GetErrorString, "ncclGetErrorString");
    table->missing = file.missing();
    return table;
  }();
  return *library;
}

}  // namespace autograd
