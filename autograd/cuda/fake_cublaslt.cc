#include "autograd/cuda/fake_cublaslt.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "autograd/cuda/cublaslt.h"
#include "autograd/runtime/dtype.h"
#include "autograd/runtime/error.h"

namespace autograd::cuda {
namespace fake_cublaslt {
namespace {

cublasStatus_t next_heuristic = CUBLAS_STATUS_SUCCESS;
int64_t heuristics = 0, live_descriptors = 0;

constexpr char kName[] = "fake cuBLASLt";

struct Layout {
  cudaDataType type;
  int64_t rows, columns, leading;
  int32_t batch = 1;
  int64_t stride = 0;
};

struct Description {
  cublasComputeType_t compute;
  cudaDataType scale;
  cublasOperation_t first = CUBLAS_OP_N, second = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* bias = nullptr;
  cudaDataType bias_type = CUDA_R_32F;
};

// With the defaults of cublasLt.h.
struct Preference {
  uint64_t workspace = 0;
  uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t first = 256, second = 256, c = 256, d = 256;
};

// What a cublasLtMatmulAlgo_t holds.
struct Algorithm {
  uint64_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
  uint64_t first = 0, second = 0, c = 0, d = 0, bias = 0;  // alignments
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

template <typename Fake, typename Handle>
Fake& Of(Handle handle) {
  return *reinterpret_cast<Fake*>(handle);
}

template <typename Fake, typename Handle>
cublasStatus_t Create(Handle* handle, Fake fake) {
  ++live_descriptors;
  *handle = reinterpret_cast<Handle>(new Fake(std::move(fake)));
  return CUBLAS_STATUS_SUCCESS;
}

template <typename Fake, typename Handle>
cublasStatus_t Destroy(Handle handle) {
  --live_descriptors;
  delete &Of<Fake>(handle);
  return CUBLAS_STATUS_SUCCESS;
}

template <typename T>
cublasStatus_t Assign(T& to, int attribute, const void* value, size_t bytes) {
  Require(bytes == sizeof(T), kName, "attribute ", attribute, " has ", sizeof(T), " bytes, not ", bytes);
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

uint32_t Alignment(const void* address) {
  const auto value = reinterpret_cast<uintptr_t>(address) | 256;
  return static_cast<uint32_t>(value & (~value + 1));
}

double Read(cudaDataType type, const void* address, int64_t index) {
  if (type == CUDA_R_64F) return static_cast<const double*>(address)[index];
  if (type == CUDA_R_32F) return static_cast<const float*>(address)[index];
  Require(type == CUDA_R_16BF, kName, "dtype ", static_cast<int>(type));
  return static_cast<float>(static_cast<const BFloat16*>(address)[index]);
}

double Rounded(cudaDataType type, double value) {
  if (type == CUDA_R_64F) return value;
  if (type == CUDA_R_32F) return static_cast<float>(value);
  return static_cast<float>(BFloat16(static_cast<float>(value)));
}

void Write(cudaDataType type, void* address, int64_t index, double value) {
  if (type == CUDA_R_64F) {
    static_cast<double*>(address)[index] = value;
  } else if (type == CUDA_R_32F) {
    static_cast<float*>(address)[index] = static_cast<float>(value);
  } else {
    static_cast<BFloat16*>(address)[index] = BFloat16(static_cast<float>(value));
  }
}

// Element (row, column) of op(matrix), which is column-major.
double At(const Layout& layout, const void* matrix, cublasOperation_t operation, int64_t image, int64_t row,
          int64_t column) {
  if (operation == CUBLAS_OP_T) std::swap(row, column);
  return Read(layout.type, matrix, image * layout.stride + column * layout.leading + row);
}

cublasStatus_t CreateHandle(cublasLtHandle_t* handle) {
  static int only;
  *handle = reinterpret_cast<cublasLtHandle_t>(&only);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t CreateDescription(cublasLtMatmulDesc_t* handle, cublasComputeType_t compute, cudaDataType_t scale) {
  return Create(handle, Description{compute, scale});
}

cublasStatus_t SetDescription(cublasLtMatmulDesc_t handle, cublasLtMatmulDescAttributes_t attribute, const void* value,
                              size_t bytes) {
  auto& description = Of<Description>(handle);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return Assign(description.first, attribute, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return Assign(description.second, attribute, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return Assign(description.epilogue, attribute, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return Assign(description.bias, attribute, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return Assign(description.bias_type, attribute, value, bytes);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t CreateLayout(cublasLtMatrixLayout_t* handle, cudaDataType type, uint64_t rows, uint64_t columns,
                            int64_t leading) {
  Require(leading >= static_cast<int64_t>(rows), kName, "leading dimension ", leading, " of ", rows, " rows");
  return Create(handle, Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), leading});
}

cublasStatus_t SetLayout(cublasLtMatrixLayout_t handle, cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                         size_t bytes) {
  auto& layout = Of<Layout>(handle);
  if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return Assign(layout.batch, attribute, value, bytes);
  if (attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET) return Assign(layout.stride, attribute, value, bytes);
  return CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t CreatePreference(cublasLtMatmulPreference_t* handle) { return Create(handle, Preference{}); }

cublasStatus_t SetPreference(cublasLtMatmulPreference_t handle, cublasLtMatmulPreferenceAttributes_t attribute,
                             const void* value, size_t bytes) {
  auto& preference = Of<Preference>(handle);
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return Assign(preference.workspace, attribute, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return Assign(preference.reductions, attribute, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      return Assign(preference.first, attribute, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      return Assign(preference.second, attribute, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      return Assign(preference.c, attribute, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return Assign(preference.d, attribute, value, bytes);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

// The extents of a product; an Error where the layouts do not go together.
struct Extents {
  int64_t m, n, k;
};
Extents ExtentsOf(const Description& description, const Layout& first, const Layout& second, const Layout& d) {
  const bool turned = description.first == CUBLAS_OP_T, second_turned = description.second == CUBLAS_OP_T;
  const Extents e = {turned ? first.columns : first.rows, second_turned ? second.rows : second.columns,
                     turned ? first.rows : first.columns};
  Require((second_turned ? second.columns : second.rows) == e.k && d.rows == e.m && d.columns == e.n, kName,
          "extents of the operands do not go together");
  Require(first.batch == d.batch && second.batch == d.batch, kName, "batches differ");
  Require(first.type == d.type && second.type == d.type, kName, "dtypes differ");
  const bool wide = d.type == CUDA_R_64F;
  Require(description.compute == (wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F) &&
              description.scale == (wide ? CUDA_R_64F : CUDA_R_32F),
          kName, "sums are not in ", wide ? "float64" : "float32");
  return e;
}

cublasStatus_t GetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                            cublasLtMatmulPreference_t wishes, int requested, cublasLtMatmulHeuristicResult_t* results,
                            int* count) {
  ++heuristics;
  *count = 0;
  const cublasStatus_t status = std::exchange(next_heuristic, CUBLAS_STATUS_SUCCESS);
  if (status != CUBLAS_STATUS_SUCCESS || requested < 1) return status;
  const auto& description = Of<Description>(operation);
  const auto& preference = Of<Preference>(wishes);
  const Extents e = ExtentsOf(description, Of<Layout>(a), Of<Layout>(b), Of<Layout>(d));
  Algorithm algorithm;
  algorithm.first = preference.first;
  algorithm.second = preference.second;
  algorithm.c = preference.c;
  algorithm.d = preference.d;
  // cublasLt.h: heuristics depend on the pointer's value to determine its expected alignment.
  algorithm.bias = description.bias == nullptr ? 1 : Alignment(description.bias);
  for (const cublasLtReductionScheme_t scheme :
       {CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE, CUBLASLT_REDUCTION_SCHEME_INPLACE,
        CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE}) {
    if (e.k <= kSplit || (preference.reductions & scheme) == 0) continue;
    algorithm.reduction = scheme;
    break;
  }
  results[0] = {};
  std::memcpy(&results[0].algo, &algorithm, sizeof(algorithm));
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

void RequireAligned(const char* what, const void* address, uint64_t bytes) {
  Require(Alignment(address) >= bytes, kName, "the algorithm was chosen for ", what, " aligned to ", bytes,
          " bytes, not to ", Alignment(address));
}

cublasStatus_t Matmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation, const void* alpha, const void* a,
                      cublasLtMatrixLayout_t first_layout, const void* b, cublasLtMatrixLayout_t second_layout,
                      const void* beta, const void* c, cublasLtMatrixLayout_t, void* d,
                      cublasLtMatrixLayout_t result_layout, const cublasLtMatmulAlgo_t* chosen, void*, size_t,
                      cudaStream_t) {
  const auto& description = Of<Description>(operation);
  const auto &first = Of<Layout>(first_layout), &second = Of<Layout>(second_layout),
             &result = Of<Layout>(result_layout);
  const Extents e = ExtentsOf(description, first, second, result);
  Require(Read(description.scale, alpha, 0) == 1 && Read(description.scale, beta, 0) == 0, kName,
          "computes alpha = 1 and beta = 0 only");
  Algorithm algorithm;
  std::memcpy(static_cast<void*>(&algorithm), chosen, sizeof(algorithm));
  RequireAligned("A", a, algorithm.first);
  RequireAligned("B", b, algorithm.second);
  RequireAligned("C", c, algorithm.c);
  RequireAligned("D", d, algorithm.d);
  const bool with_vector = description.epilogue != CUBLASLT_EPILOGUE_DEFAULT;
  if (with_vector) {
    RequireAligned("a bias", description.bias, algorithm.bias);
    Require(description.bias != nullptr && description.bias_type == result.type, kName, "the bias's dtype");
    Require(result.batch == 1, kName, "an epilogue of a batch");
  }
  const bool rounds_parts = algorithm.reduction == CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE ||
                            algorithm.reduction == CUBLASLT_REDUCTION_SCHEME_INPLACE;
  const int64_t part = algorithm.reduction == CUBLASLT_REDUCTION_SCHEME_NONE ? e.k : (e.k + 1) / 2;
  for (int64_t image = 0; image < result.batch; ++image) {
    for (int64_t column = 0; column < e.n; ++column) {
      for (int64_t row = 0; row < e.m; ++row) {
        double sum = 0;
        for (int64_t begin = 0; begin < e.k; begin += part) {
          double partial = 0;
          for (int64_t i = begin; i < std::min(e.k, begin + part); ++i) {
            partial +=
                At(first, a, description.first, image, row, i) * At(second, b, description.second, image, i, column);
          }
          sum += rounds_parts ? Rounded(result.type, partial) : partial;
        }
        if (description.epilogue == CUBLASLT_EPILOGUE_BIAS || description.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS)
          sum += Read(description.bias_type, description.bias, row);
        if (description.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS) sum = std::max(sum, 0.0);
        Write(result.type, d, image * result.stride + column * result.leading + row, sum);
      }
    }
  }
  // The sums of op(B) over k, as many as D has columns.
  for (int64_t column = 0; description.epilogue == CUBLASLT_EPILOGUE_BGRADB && column < e.n; ++column) {
    double sum = 0;
    for (int64_t i = 0; i < e.k; ++i) sum += At(second, b, description.second, 0, i, column);
    Write(description.bias_type, description.bias, column, sum);
  }
  return CUBLAS_STATUS_SUCCESS;
}

const char* StatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_ALLOC_FAILED ? "out of memory" : "a status of the fake";
}

}  // namespace

void FailNextHeuristic(cublasStatus_t status) { next_heuristic = status; }
int64_t Heuristics() { return heuristics; }
int64_t LiveDescriptors() { return live_descriptors; }

}  // namespace fake_cublaslt

const CublasLt& CublasLt::Library() {
  namespace fake = fake_cublaslt;
  static const CublasLt library = [] {
    CublasLt table;
    table.Create = fake::CreateHandle;
    table.Matmul = fake::Matmul;
    table.MatmulDescCreate = fake::CreateDescription;
    table.MatmulDescDestroy = fake::Destroy<fake::Description, cublasLtMatmulDesc_t>;
    table.MatmulDescSetAttribute = fake::SetDescription;
    table.MatrixLayoutCreate = fake::CreateLayout;
    table.MatrixLayoutDestroy = fake::Destroy<fake::Layout, cublasLtMatrixLayout_t>;
    table.MatrixLayoutSetAttribute = fake::SetLayout;
    table.MatmulPreferenceCreate = fake::CreatePreference;
    table.MatmulPreferenceDestroy = fake::Destroy<fake::Preference, cublasLtMatmulPreference_t>;
    table.MatmulPreferenceSetAttribute = fake::SetPreference;
    table.MatmulAlgoGetHeuristic = fake::GetHeuristic;
    table.GetStatusString = fake::StatusString;
    return table;
  }();
  return library;
}

}  // namespace autograd::cuda
