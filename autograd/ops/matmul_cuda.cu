#include <map>
#include <mutex>
#include <tuple>

#include "autograd/core/launch_cuda.h"
#include "autograd/cuda/cublaslt.h"
#include "autograd/ops/matmul_kernels.h"

namespace autograd::cuda {
namespace {

// Enough for every algorithm cuBLASLt offers on current cards; one a stream, so that products of two streams do not share it.
constexpr size_t kWorkspaceBytes = size_t{32} << 20;

const CublasLt& Library() {
  const CublasLt& library = CublasLt::Library();
  Require(library.missing.empty(), "MatMul", library.missing);
  return library;
}

void Check(cublasStatus_t status, const MatMulPlan& plan) {
  Require(status == CUBLAS_STATUS_SUCCESS, "MatMul", "cuBLASLt: ", Library().GetStatusString(status), " for ",
          plan.batch, " products of ", plan.m, "×", plan.k, " and ", plan.k, "×", plan.n);
}

cublasLtHandle_t Handle() {
  static std::mutex mutex;
  static std::map<int, cublasLtHandle_t> handles;
  int device = 0;
  cudaGetDevice(&device);
  std::lock_guard<std::mutex> lock(mutex);
  cublasLtHandle_t& handle = handles[device];
  if (handle == nullptr) Check(Library().Create(&handle), MatMulPlan{});
  return handle;
}

cudaDataType_t DataType(DType dtype) {
  return dtype == kFloat64 ? CUDA_R_64F : dtype == kBFloat16 ? CUDA_R_16BF : CUDA_R_32F;
}

// Descriptors are released on every way out.
class Layout {
 public:
  // `rows` × `columns` row-major is columns × rows in cuBLASLt's column-major terms.
  Layout(DType dtype, int64_t rows, int64_t columns, int batch, int64_t stride, const MatMulPlan& plan) {
    Check(Library().MatrixLayoutCreate(&layout_, DataType(dtype), columns, rows, columns), plan);
    Check(Library().MatrixLayoutSetAttribute(layout_, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof(batch)), plan);
    Check(Library().MatrixLayoutSetAttribute(layout_, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                             sizeof(stride)),
          plan);
  }
  ~Layout() { Library().MatrixLayoutDestroy(layout_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  cublasLtMatrixLayout_t get() const { return layout_; }

 private:
  cublasLtMatrixLayout_t layout_ = nullptr;
};

class Descriptor {
 public:
  Descriptor(DType dtype, bool transpose_first, bool transpose_second, const MatMulPlan& plan) {
    const bool wide = dtype == kFloat64;
    Check(Library().MatmulDescCreate(&descriptor_, wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                                     wide ? CUDA_R_64F : CUDA_R_32F),
          plan);
    const cublasOperation_t first = transpose_first ? CUBLAS_OP_T : CUBLAS_OP_N,
                            second = transpose_second ? CUBLAS_OP_T : CUBLAS_OP_N;
    Check(Library().MatmulDescSetAttribute(descriptor_, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof(first)), plan);
    Check(Library().MatmulDescSetAttribute(descriptor_, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof(second)), plan);
  }
  ~Descriptor() { Library().MatmulDescDestroy(descriptor_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  cublasLtMatmulDesc_t get() const { return descriptor_; }

 private:
  cublasLtMatmulDesc_t descriptor_ = nullptr;
};

using PlanKey = std::tuple<int64_t, int64_t, int64_t, int64_t, bool, bool, bool, DType>;

// The heuristic is asked once a plan: it costs more than a small product. Its first answer is deterministic for a card and a
// library, and the algorithms it names for a plain product do not use atomics.
cublasLtMatmulAlgo_t Algorithm(const MatMulPlan& plan, DType dtype, const Descriptor& descriptor, const Layout& first,
                               const Layout& second, const Layout& result) {
  static std::mutex mutex;
  static std::map<PlanKey, cublasLtMatmulAlgo_t> chosen;
  const PlanKey key{plan.batch, plan.m, plan.n, plan.k, plan.transpose_a, plan.transpose_b, plan.b_shared, dtype};
  std::lock_guard<std::mutex> lock(mutex);
  if (const auto found = chosen.find(key); found != chosen.end()) return found->second;
  cublasLtMatmulPreference_t preference = nullptr;
  Check(Library().MatmulPreferenceCreate(&preference), plan);
  const size_t workspace = kWorkspaceBytes;
  Library().MatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                         sizeof(workspace));
  cublasLtMatmulHeuristicResult_t heuristic{};
  int count = 0;
  const cublasStatus_t status =
      Library().MatmulAlgoGetHeuristic(Handle(), descriptor.get(), first.get(), second.get(), result.get(),
                                       result.get(), preference, 1, &heuristic, &count);
  Library().MatmulPreferenceDestroy(preference);
  Check(status, plan);
  Require(count > 0, "MatMul", "cuBLASLt has no algorithm for ", plan.batch, " products of ", plan.m, "×", plan.k,
          " and ", plan.k, "×", plan.n);
  return chosen.emplace(key, heuristic.algo).first->second;
}

}  // namespace

// Row-major y = op(a)·op(b) is, read column-major, yᵀ = op(b)ᵀ·op(a)ᵀ: the operands change places and keep their transpositions.
void MatMul(Stream& stream, const MatMulPlan& plan, const Array& a, const Array& b, Array& y) {
  if (y.size() == 0) return;
  if (plan.k == 0) {
    stream.FillZero(y.raw(), y.bytes());
    return;
  }
  const DType dtype = y.dtype();
  const int batch = static_cast<int>(plan.batch);
  const Descriptor descriptor(dtype, plan.transpose_b, plan.transpose_a, plan);
  const Layout first(dtype, plan.transpose_b ? plan.n : plan.k, plan.transpose_b ? plan.k : plan.n, batch,
                     plan.b_shared ? 0 : plan.b_size(), plan);
  const Layout second(dtype, plan.transpose_a ? plan.k : plan.m, plan.transpose_a ? plan.m : plan.k, batch,
                      plan.a_size(), plan);
  const Layout result(dtype, plan.m, plan.n, batch, plan.y_size(), plan);
  const cublasLtMatmulAlgo_t algorithm = Algorithm(plan, dtype, descriptor, first, second, result);

  const Array workspace = Array::Empty({static_cast<int64_t>(kWorkspaceBytes)}, kUInt8);
  const double wide_one = 1, wide_zero = 0;
  const float one = 1, zero = 0;
  const bool wide = dtype == kFloat64;
  Check(Library().Matmul(Handle(), descriptor.get(), wide ? static_cast<const void*>(&wide_one) : &one, b.raw(),
                         first.get(), a.raw(), second.get(), wide ? static_cast<const void*>(&wide_zero) : &zero,
                         y.raw(), result.get(), y.raw(), result.get(), &algorithm, const_cast<void*>(workspace.raw()),
                         kWorkspaceBytes, Native(stream)),
        plan);
}

}  // namespace autograd::cuda
