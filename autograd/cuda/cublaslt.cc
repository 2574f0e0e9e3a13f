#include "autograd/cuda/cublaslt.h"

#include "autograd/cuda/shared_library.h"

namespace autograd::cuda {

const CublasLt& CublasLt::Library() {
  static const CublasLt* const library = [] {
    auto* table = new CublasLt();
    const SharedLibrary file("libcublasLt.so.13");
    file.Get(table->Create, "cublasLtCreate");
    file.Get(table->Matmul, "cublasLtMatmul");
    file.Get(table->MatmulDescCreate, "cublasLtMatmulDescCreate");
    file.Get(table->MatmulDescDestroy, "cublasLtMatmulDescDestroy");
    file.Get(table->MatmulDescSetAttribute, "cublasLtMatmulDescSetAttribute");
    file.Get(table->MatrixLayoutCreate, "cublasLtMatrixLayoutCreate");
    file.Get(table->MatrixLayoutDestroy, "cublasLtMatrixLayoutDestroy");
    file.Get(table->MatrixLayoutSetAttribute, "cublasLtMatrixLayoutSetAttribute");
    file.Get(table->MatmulPreferenceCreate, "cublasLtMatmulPreferenceCreate");
    file.Get(table->MatmulPreferenceDestroy, "cublasLtMatmulPreferenceDestroy");
    file.Get(table->MatmulPreferenceSetAttribute, "cublasLtMatmulPreferenceSetAttribute");
    file.Get(table->MatmulAlgoGetHeuristic, "cublasLtMatmulAlgoGetHeuristic");
    file.Get(table->GetStatusString, "cublasLtGetStatusString");
    table->missing = file.missing();
    return table;
  }();
  return *library;
}

}  // namespace autograd::cuda
