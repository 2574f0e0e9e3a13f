#include "autograd/cuda/cudnn_plans.h"

#include <cuda_runtime_api.h>

#include <map>
#include <utility>

#include "autograd/core/array.h"

namespace autograd::cuda {
namespace {

// A plan that wants more than this beside the arrays themselves is not worth its speed.
constexpr int64_t kMostWorkspace = int64_t{1} << 30;

std::mutex& CudnnMutex() {
  static auto* mutex = new std::mutex();
  return *mutex;
}

bool Accepts(const CudnnDescriptor& configuration, DType dtype) {
  std::vector<CudnnDescriptor> engine;
  engine.emplace_back(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  if (configuration.GetDescriptors(CUDNN_ATTR_ENGINECFG_ENGINE, engine) != 1) return false;
  for (const cudnnBackendNumericalNote_t note : engine[0].NumericalNotes()) {
    if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) return false;
    if (note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) return false;
    // On tensor cores float32 is TF32, which cuDNN does not call a conversion.
    if (dtype == kFloat32 &&
        (note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS || note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) {
      return false;
    }
  }
  return true;
}

}  // namespace

CudnnSession::CudnnSession(const char* operation, Stream& stream)
    : lock_(CudnnMutex()), device_(stream.device().index) {
  static auto* const handles = new std::map<int, cudnnHandle_t>();
  const Cudnn& library = Cudnn::Library();
  Require(library.missing.empty(), operation, library.missing, ", which it needs on CUDA");
  cudnnHandle_t& handle = (*handles)[device_];
  const auto check = [&](cudnnStatus_t status, const char* what) {
    Require(status == CUDNN_STATUS_SUCCESS, operation, what, ": ", library.GetErrorString(status));
  };
  if (handle == nullptr) check(library.Create(&handle), "cudnnCreate");
  check(library.SetStream(handle, static_cast<cudaStream_t>(stream.native())), "cudnnSetStream");
  handle_ = handle;
}

PlanSearch FindPlans(const CudnnSession& session, const CudnnDescriptor& operation, DType dtype, size_t most) {
  PlanSearch search;
  std::vector<CudnnPlan>& plans = search.plans;
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.Set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation)
      .Set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, session.handle())
      .Finalize();
  search.Note(graph);
  if (!graph.ok()) return search;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    CudnnDescriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.Set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
        .Set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode)
        .Finalize();
    search.Note(heuristic);
    if (!heuristic.ok()) continue;
    std::vector<CudnnDescriptor> configurations;
    for (int64_t i = heuristic.Count(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR); i > 0; --i)
      configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    const int64_t found = heuristic.GetDescriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, configurations);
    for (int64_t i = 0; i < found && plans.size() < most; ++i) {
      if (!Accepts(configurations[i], dtype)) continue;
      CudnnPlan plan{CudnnDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)};
      plan.execution.Set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, session.handle())
          .Set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configurations[i])
          .Finalize();
      search.Note(plan.execution);
      if (!plan.execution.ok()) continue;  // the heuristic also names what this device cannot run
      plan.workspace = plan.execution.GetInt64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
      if (plan.workspace <= kMostWorkspace) plans.push_back(std::move(plan));
    }
    if (!plans.empty()) break;
  }
  return search;
}

cudnnStatus_t RunPlan(const CudnnSession& session, const CudnnPlan& plan, std::span<const CudnnOperand> operands) {
  Array workspace;
  if (plan.workspace > 0) workspace = Array::Empty({plan.workspace}, kUInt8);
  std::vector<int64_t> ids;
  std::vector<const void*> pointers;
  for (const CudnnOperand& operand : operands) {
    ids.push_back(operand.id);
    pointers.push_back(operand.pointer);
  }
  const auto count = static_cast<int64_t>(operands.size());
  const void* const workspace_pointer = workspace.defined() ? workspace.raw() : nullptr;
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.Set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids.data())
      .Set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers.data())
      .Set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace_pointer)
      .Finalize();
  Require(pack.ok(), "RunPlan", pack.error());
  return Cudnn::Library().BackendExecute(session.handle(), plan.execution.get(), pack.get());
}

CudnnDescriptor CudnnTensor(int64_t id, cudnnDataType_t type, const std::vector<int64_t>& extents,
                            const std::vector<int64_t>& strides) {
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.Set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .Set(CUDNN_ATTR_TENSOR_DIMENSIONS, extents)
      .Set(CUDNN_ATTR_TENSOR_STRIDES, strides)
      .Set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
      .Set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, static_cast<int64_t>(kCudnnAlignment))
      .Finalize();
  return tensor;
}

cudnnDataType_t CudnnType(DType dtype) { return dtype == kBFloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT; }

}  // namespace autograd::cuda
