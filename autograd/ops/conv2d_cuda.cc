// Convolutions by cuDNN's graph interface: one operation a graph, channels last. A plan is built once for a geometry and dtype.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "autograd/cuda/cudnn.h"
#include "autograd/ops/conv2d_cuda.h"
#include "autograd/ops/convolution_plans.h"

namespace autograd::cuda {
namespace {

constexpr int64_t kX = 'x', kFilter = 'w', kY = 'y';  // unique ids of the tensors
constexpr size_t kMeasuredPlans = 6;
constexpr int kMeasuredRuns = 5;
// A plan that wants more than this beside the arrays themselves is not worth its speed.
constexpr int64_t kMostWorkspace = int64_t{1} << 30;

const Cudnn& Library() {
  const Cudnn& library = Cudnn::Library();
  Require(library.missing.empty(), "Conv2d", library.missing, ", which convolutions on CUDA need");
  return library;
}

void Check(cudnnStatus_t status, const char* what) {
  Require(status == CUDNN_STATUS_SUCCESS, "Conv2d", what, ": ", Library().GetErrorString(status));
}

void CheckCuda(cudaError_t error, const char* what) {
  Require(error == cudaSuccess, "Conv2d", what, ": ", cudaGetErrorString(error));
}

cudnnDataType_t DataType(DType dtype) { return dtype == kBFloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT; }

// cuDNN names the axes as in NCHW whatever the order in memory; ours is channels last.
CudnnDescriptor Tensor(int64_t id, DType dtype, int64_t n, int64_t h, int64_t w, int64_t c) {
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.Set(CUDNN_ATTR_TENSOR_DATA_TYPE, DataType(dtype))
      .Set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::vector<int64_t>{n, c, h, w})
      .Set(CUDNN_ATTR_TENSOR_STRIDES, std::vector<int64_t>{h * w * c, 1, w * c, c})
      .Set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
      .Set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16})
      .Finalize();
  return tensor;
}

struct Attributes {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t x, filter, y, convolution, alpha, beta;
};

Attributes AttributesOf(Conv2dProduct product) {
  switch (product) {
    case Conv2dProduct::kForward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case Conv2dProduct::kInputGradient:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case Conv2dProduct::kFilterGradient:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

// The operation with everything that it refers to.
struct Operation {
  CudnnDescriptor x, filter, y, convolution, operation;
};

Operation Describe(Conv2dProduct product, const Conv2dGeometry& g, DType dtype) {
  const Attributes attributes = AttributesOf(product);
  Operation all{Tensor(kX, dtype, g.n, g.h, g.w, g.c), Tensor(kFilter, dtype, g.o, g.kh, g.kw, g.group_channels()),
                Tensor(kY, dtype, g.n, g.oh, g.ow, g.o), CudnnDescriptor(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR),
                CudnnDescriptor(attributes.operation)};
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  all.convolution.Set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
      .Set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode)
      .Set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2})
      .Set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::vector<int64_t>{g.stride, g.stride})
      .Set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::vector<int64_t>{g.dilation, g.dilation})
      .Set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::vector<int64_t>{g.padding, g.padding})
      .Set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::vector<int64_t>{g.padding, g.padding})
      .Finalize();
  all.operation.Set(attributes.x, all.x)
      .Set(attributes.filter, all.filter)
      .Set(attributes.y, all.y)
      .Set(attributes.convolution, all.convolution)
      .Set(attributes.alpha, 1.0f)
      .Set(attributes.beta, 0.0f)
      .Finalize();
  return all;
}

struct Plan {
  CudnnDescriptor execution;
  int64_t workspace = 0;
};

// Results must repeat, and float32 must not be rounded on its way in.
bool Accepts(const CudnnDescriptor& configuration, DType dtype) {
  std::vector<CudnnDescriptor> engine;
  engine.emplace_back(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  if (configuration.GetDescriptors(CUDNN_ATTR_ENGINECFG_ENGINE, engine) != 1) return false;
  for (const cudnnBackendNumericalNote_t note : engine[0].NumericalNotes()) {
    if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) return false;
    if (note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) return false;
    if (note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS && dtype == kFloat32) return false;
  }
  return true;
}

// Plans in the order of the heuristic, at most `most`.
std::vector<Plan> Plans(cudnnHandle_t handle, const CudnnDescriptor& graph, DType dtype, size_t most) {
  std::vector<Plan> plans;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    CudnnDescriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.Set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
        .Set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode)
        .Finalize();
    if (!heuristic.ok()) continue;
    std::vector<CudnnDescriptor> configurations;
    for (int64_t i = heuristic.Count(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR); i > 0; --i)
      configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    const int64_t found = heuristic.GetDescriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, configurations);
    for (int64_t i = 0; i < found && plans.size() < most; ++i) {
      if (!Accepts(configurations[i], dtype)) continue;
      Plan plan{CudnnDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)};
      plan.execution.Set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle)
          .Set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configurations[i])
          .Finalize();
      if (!plan.execution.ok()) continue;  // the heuristic also names what this device cannot run
      plan.workspace = plan.execution.GetInt64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
      if (plan.workspace <= kMostWorkspace) plans.push_back(std::move(plan));
    }
    if (!plans.empty()) break;
  }
  return plans;
}

cudnnStatus_t Execute(cudnnHandle_t handle, const Plan& plan, const Array& x, const Array& filter, const Array& y) {
  Array workspace;
  if (plan.workspace > 0) workspace = Array::Empty({plan.workspace}, kUInt8);
  const int64_t ids[] = {kX, kFilter, kY};
  const void* pointers[] = {x.raw(), filter.raw(), y.raw()};
  const void* workspace_pointer = workspace.defined() ? workspace.raw() : nullptr;
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.Set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids)
      .Set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers)
      .Set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace_pointer)
      .Finalize();
  Require(pack.ok(), "Conv2d", pack.error());
  return Library().BackendExecute(handle, plan.execution.get(), pack.get());
}

// Milliseconds of one run, or infinity when it fails. Whatever y holds is written over by the run that counts.
float Time(cudnnHandle_t handle, cudaStream_t stream, const Plan& plan, const Array& x, const Array& filter,
           const Array& y) {
  constexpr float kNever = std::numeric_limits<float>::infinity();
  if (Execute(handle, plan, x, filter, y) != CUDNN_STATUS_SUCCESS) return kNever;
  cudaEvent_t begin, end;
  CheckCuda(cudaEventCreate(&begin), "cudaEventCreate");
  CheckCuda(cudaEventCreate(&end), "cudaEventCreate");
  cudaEventRecord(begin, stream);
  bool ran = true;
  for (int i = 0; i < kMeasuredRuns; ++i) ran = ran && Execute(handle, plan, x, filter, y) == CUDNN_STATUS_SUCCESS;
  cudaEventRecord(end, stream);
  float milliseconds = kNever;
  if (cudaEventSynchronize(end) != cudaSuccess || !ran) {
    milliseconds = kNever;
  } else {
    cudaEventElapsedTime(&milliseconds, begin, end);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return milliseconds / kMeasuredRuns;
}

bool IsCapturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  return cudaStreamIsCapturing(stream, &status) == cudaSuccess && status != cudaStreamCaptureStatusNone;
}

using Key = std::tuple<int, Conv2dProduct, DType, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                       int64_t, int64_t, int64_t, int64_t>;

Key KeyOf(int device, Conv2dProduct product, const Conv2dGeometry& g, DType dtype) {
  return {device, product, dtype, g.n, g.h, g.w, g.c, g.o, g.kh, g.kw, g.stride, g.padding, g.dilation, g.groups};
}

// cuDNN's handles and plans serve one thread at a time.
struct State {
  std::mutex mutex;
  std::map<int, cudnnHandle_t> handles;
  std::map<Key, std::unique_ptr<Plan>> plans;  // null: cuDNN has none
};
State& Global() {
  static auto* state = new State();
  return *state;
}

}  // namespace

std::string CudnnObjection(Conv2dProduct product, const Conv2dGeometry& geometry, DType dtype) {
  Library();
  return Describe(product, geometry, dtype).operation.error();
}

bool Conv2dByCudnn(Stream& stream, Conv2dProduct product, const Conv2dGeometry& geometry, const Array& x,
                   const Array& filter, const Array& y) {
  const DType dtype = x.dtype();
  if (dtype == kFloat64) return false;
  const auto native = static_cast<cudaStream_t>(stream.native());
  const int device = stream.device().index;
  State& state = Global();
  std::lock_guard<std::mutex> lock(state.mutex);
  cudnnHandle_t& handle = state.handles[device];
  if (handle == nullptr) Check(Library().Create(&handle), "cudnnCreate");
  Check(Library().SetStream(handle, native), "cudnnSetStream");

  const auto [found, is_new] = state.plans.try_emplace(KeyOf(device, product, geometry, dtype));
  std::unique_ptr<Plan>& plan = found->second;
  if (is_new) {
    const Operation description = Describe(product, geometry, dtype);
    CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.Set(CUDNN_ATTR_OPERATIONGRAPH_OPS, description.operation)
        .Set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle)
        .Finalize();
    Require(graph.ok(), "Conv2d", "cuDNN: ", graph.error());
    const bool measure = GetConvolutionPlans() == ConvolutionPlans::kMeasured && !IsCapturing(native);
    std::vector<Plan> plans = Plans(handle, graph, dtype, measure ? kMeasuredPlans : 1);
    size_t best = 0;
    if (plans.size() > 1) {
      std::vector<float> times;
      for (const Plan& candidate : plans) times.push_back(Time(handle, native, candidate, x, filter, y));
      best = static_cast<size_t>(std::min_element(times.begin(), times.end()) - times.begin());
    }
    if (!plans.empty()) plan = std::make_unique<Plan>(std::move(plans[best]));
  }
  if (plan == nullptr) return false;
  Check(Execute(handle, *plan, x, filter, y), "cudnnBackendExecute");
  return true;
}

}  // namespace autograd::cuda
