#include "autograd/cuda/cudnn.h"
#include "autograd/cuda/shared_library.h"

namespace autograd::cuda {

const Cudnn& Cudnn::Library() {
  static const Cudnn* const library = [] {
    auto* table = new Cudnn();
    // The graph interface lives in a library of its own behind libcudnn.so.9, which forwards to it.
    const SharedLibrary file("libcudnn.so.9");
    file.Get(table->Create, "cudnnCreate");
    file.Get(table->SetStream, "cudnnSetStream");
    file.Get(table->GetErrorString, "cudnnGetErrorString");
    file.Get(table->GetLastErrorString, "cudnnGetLastErrorString");
    file.Get(table->BackendCreateDescriptor, "cudnnBackendCreateDescriptor");
    file.Get(table->BackendDestroyDescriptor, "cudnnBackendDestroyDescriptor");
    file.Get(table->BackendSetAttribute, "cudnnBackendSetAttribute");
    file.Get(table->BackendGetAttribute, "cudnnBackendGetAttribute");
    file.Get(table->BackendFinalize, "cudnnBackendFinalize");
    file.Get(table->BackendExecute, "cudnnBackendExecute");
    table->missing = file.missing();
    return table;
  }();
  return *library;
}

}  // namespace autograd::cuda
