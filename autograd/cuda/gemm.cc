#include "autograd/cuda/gemm.h"

#include <cuda_runtime_api.h>

#include <compare>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>

#include "autograd/cuda/cublaslt.h"

namespace autograd::cuda {
namespace {

// Enough for every algorithm cuBLASLt offers on current cards; one a product, so that streams do not share it.
constexpr size_t kWorkspaceBytes = size_t{32} << 20;

// What an error message says of the call.
struct Call {
  const char* operation;
  const GemmShape& shape;
};

const CublasLt& Library(const Call& call) {
  const CublasLt& library = CublasLt::Library();
  Require(library.missing.empty(), call.operation, library.missing, ", which matrix products on CUDA need");
  return library;
}

void Check(cublasStatus_t status, const Call& call) {
  Require(status == CUBLAS_STATUS_SUCCESS, call.operation, "cuBLASLt: ", Library(call).GetStatusString(status), " for ",
          call.shape.batch, " products of ", call.shape.m, "×", call.shape.k, " and ", call.shape.k, "×", call.shape.n);
}

cublasLtHandle_t Handle(int device, const Call& call) {
  static std::mutex mutex;
  static std::map<int, cublasLtHandle_t> handles;
  std::lock_guard<std::mutex> lock(mutex);
  cublasLtHandle_t& handle = handles[device];
  if (handle == nullptr) Check(Library(call).Create(&handle), call);
  return handle;
}

cudaDataType_t DataType(DType dtype) {
  return dtype == kFloat64 ? CUDA_R_64F : dtype == kBFloat16 ? CUDA_R_16BF : CUDA_R_32F;
}

// Descriptors are released on every way out.
class Layout {
 public:
  // `rows` × `columns` row-major is columns × rows in cuBLASLt's column-major terms.
  Layout(DType dtype, int64_t rows, int64_t columns, int64_t stride, const Call& call) : library_(Library(call)) {
    const int batch = static_cast<int>(call.shape.batch);
    Check(library_.MatrixLayoutCreate(&layout_, DataType(dtype), columns, rows, columns), call);
    Check(library_.MatrixLayoutSetAttribute(layout_, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof(batch)), call);
    Check(library_.MatrixLayoutSetAttribute(layout_, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                            sizeof(stride)),
          call);
  }
  ~Layout() { library_.MatrixLayoutDestroy(layout_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  cublasLtMatrixLayout_t get() const { return layout_; }

 private:
  const CublasLt& library_;
  cublasLtMatrixLayout_t layout_ = nullptr;
};

cublasLtEpilogue_t EpilogueOf(GemmEpilogue epilogue) {
  switch (epilogue) {
    case GemmEpilogue::kNone:
      return CUBLASLT_EPILOGUE_DEFAULT;
    case GemmEpilogue::kBias:
      return CUBLASLT_EPILOGUE_BIAS;
    case GemmEpilogue::kBiasRelu:
      return CUBLASLT_EPILOGUE_RELU_BIAS;
    case GemmEpilogue::kBiasGradient:
      return CUBLASLT_EPILOGUE_BGRADB;  // our a is cuBLASLt's B
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}

class Descriptor {
 public:
  Descriptor(DType dtype, bool transpose_first, bool transpose_second, GemmEpilogue epilogue, const void* vector,
             const Call& call)
      : library_(Library(call)) {
    const bool wide = dtype == kFloat64;
    Check(library_.MatmulDescCreate(&descriptor_, wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                                    wide ? CUDA_R_64F : CUDA_R_32F),
          call);
    Set(CUBLASLT_MATMUL_DESC_TRANSA, transpose_first ? CUBLAS_OP_T : CUBLAS_OP_N, call);
    Set(CUBLASLT_MATMUL_DESC_TRANSB, transpose_second ? CUBLAS_OP_T : CUBLAS_OP_N, call);
    if (epilogue == GemmEpilogue::kNone) return;
    Set(CUBLASLT_MATMUL_DESC_EPILOGUE, EpilogueOf(epilogue), call);
    Set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector, call);
    Set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(DataType(dtype)), call);
  }
  ~Descriptor() { library_.MatmulDescDestroy(descriptor_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  cublasLtMatmulDesc_t get() const { return descriptor_; }

 private:
  template <typename T>
  void Set(cublasLtMatmulDescAttributes_t attribute, T value, const Call& call) {
    Check(library_.MatmulDescSetAttribute(descriptor_, attribute, &value, sizeof(value)), call);
  }

  const CublasLt& library_;
  cublasLtMatmulDesc_t descriptor_ = nullptr;
};

struct Alignments {
  uint32_t first, second, result;
  uint32_t vector;  // which the heuristic reads off the descriptor's pointer
  friend auto operator<=>(const Alignments&, const Alignments&) = default;
};

class Preference {
 public:
  Preference(const Alignments& alignments, const Call& call) : library_(Library(call)) {
    Check(library_.MatmulPreferenceCreate(&preference_), call);
    Set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kWorkspaceBytes}, call);
    // The parts of a long sum are added in the type of the computation: the other schemes, which are allowed by
    // default, round each part to the result's.
    Set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE}, call);
    Set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments.first, call);
    Set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments.second, call);
    Set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments.result, call);
    Set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments.result, call);
  }
  ~Preference() { library_.MatmulPreferenceDestroy(preference_); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;
  cublasLtMatmulPreference_t get() const { return preference_; }

 private:
  template <typename T>
  void Set(cublasLtMatmulPreferenceAttributes_t attribute, T value, const Call& call) {
    Check(library_.MatmulPreferenceSetAttribute(preference_, attribute, &value, sizeof(value)), call);
  }

  const CublasLt& library_;
  cublasLtMatmulPreference_t preference_ = nullptr;
};

// The addresses' alignment, which algorithms depend on: the largest power of two up to 256 that divides it.
uint32_t Alignment(const void* address) {
  const auto value = reinterpret_cast<uintptr_t>(address) | 256;
  return static_cast<uint32_t>(value & (~value + 1));
}

using Key = std::tuple<int, int64_t, int64_t, int64_t, int64_t, bool, bool, bool, DType, GemmEpilogue, Alignments>;

// The heuristic is asked once a product: it costs more than a small one. Its first answer is deterministic for a card
// and a library, and the algorithms it names for a plain product do not use atomics. Nothing when it has none.
std::optional<cublasLtMatmulAlgo_t> Algorithm(const Key& key, cublasLtHandle_t handle, const Descriptor& descriptor,
                                              const Layout& first, const Layout& second, const Layout& result,
                                              const Call& call) {
  static std::mutex mutex;
  static std::map<Key, std::optional<cublasLtMatmulAlgo_t>> chosen;
  std::lock_guard<std::mutex> lock(mutex);
  if (const auto found = chosen.find(key); found != chosen.end()) return found->second;
  const Preference preference(std::get<Alignments>(key), call);
  cublasLtMatmulHeuristicResult_t heuristic{};
  int count = 0;
  const cublasStatus_t status =
      Library(call).MatmulAlgoGetHeuristic(handle, descriptor.get(), first.get(), second.get(), result.get(),
                                           result.get(), preference.get(), 1, &heuristic, &count);
  // These two speak of the product. What stands in the way of the search, such as a lack of memory, is no answer.
  if (status != CUBLAS_STATUS_NOT_SUPPORTED && status != CUBLAS_STATUS_INVALID_VALUE) Check(status, call);
  std::optional<cublasLtMatmulAlgo_t>& algorithm = chosen[key];
  if (status == CUBLAS_STATUS_SUCCESS && count > 0) algorithm = heuristic.algo;
  return algorithm;
}

}  // namespace

// Row-major y = op(a)·op(b) is, read column-major, yᵀ = op(b)ᵀ·op(a)ᵀ: the operands change places and keep their
// transpositions.
bool Gemm(const char* operation, Stream& stream, const GemmShape& shape, const Array& a, const Array& b,
          GemmEpilogue epilogue, const Array& vector, Array& y) {
  const Call call{operation, shape};
  const DType dtype = y.dtype();
  const int device = stream.device().index;
  const cublasLtHandle_t handle = Handle(device, call);
  const void* const address = vector.defined() ? vector.raw() : nullptr;
  const Descriptor descriptor(dtype, shape.transpose_b, shape.transpose_a, epilogue, address, call);
  const Layout first(dtype, shape.transpose_b ? shape.n : shape.k, shape.transpose_b ? shape.k : shape.n,
                     shape.b_shared ? 0 : shape.k * shape.n, call);
  const Layout second(dtype, shape.transpose_a ? shape.k : shape.m, shape.transpose_a ? shape.m : shape.k,
                      shape.m * shape.k, call);
  const Layout result(dtype, shape.m, shape.n, shape.m * shape.n, call);
  const std::optional<cublasLtMatmulAlgo_t> algorithm = Algorithm(
      {device, shape.batch, shape.m, shape.n, shape.k, shape.transpose_a, shape.transpose_b, shape.b_shared, dtype,
       epilogue, Alignments{Alignment(b.raw()), Alignment(a.raw()), Alignment(y.raw()), Alignment(address)}},
      handle, descriptor, first, second, result, call);
  if (!algorithm.has_value()) return false;

  Array workspace = Array::Empty({static_cast<int64_t>(kWorkspaceBytes)}, kUInt8);
  const double wide_one = 1, wide_zero = 0;
  const float one = 1, zero = 0;
  const bool wide = dtype == kFloat64;
  Check(Library(call).Matmul(handle, descriptor.get(), wide ? static_cast<const void*>(&wide_one) : &one, b.raw(),
                             first.get(), a.raw(), second.get(), wide ? static_cast<const void*>(&wide_zero) : &zero,
                             y.raw(), result.get(), y.raw(), result.get(), &*algorithm, workspace.raw(),
                             kWorkspaceBytes, static_cast<cudaStream_t>(stream.native())),
        call);
  return true;
}

}  // namespace autograd::cuda
