// Convolutions by cuDNN's graph interface: one operation a graph, channels last. A plan is built once for a geometry
// and dtype.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "autograd/cuda/cudnn_plans.h"
#include "autograd/ops/conv2d_cuda.h"
#include "autograd/ops/convolution_plans.h"
#include "autograd/runtime/fallbacks.h"

namespace autograd::cuda {
namespace {

constexpr int64_t kX = 'x', kFilter = 'w', kY = 'y';  // unique ids of the tensors
constexpr size_t kMeasuredPlans = 6;
constexpr int kMeasuredRuns = 5;
void CheckCuda(cudaError_t error, const char* what) {
  Require(error == cudaSuccess, "Conv2d", what, ": ", cudaGetErrorString(error));
}

// cuDNN names the axes as in NCHW whatever the order in memory; ours is channels last.
CudnnDescriptor Tensor(int64_t id, DType dtype, int64_t n, int64_t h, int64_t w, int64_t c) {
  return CudnnTensor(id, CudnnType(dtype), {n, c, h, w}, {h * w * c, 1, w * c, c});
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

cudnnStatus_t Execute(const CudnnSession& session, const CudnnPlan& plan, const Array& x, const Array& filter,
                      const Array& y) {
  const CudnnOperand operands[] = {{kX, x.raw()}, {kFilter, filter.raw()}, {kY, y.raw()}};
  return RunPlan(session, plan, operands);
}

// Milliseconds of one run, or infinity when it fails. Whatever y holds is written over by the run that counts.
float Time(const CudnnSession& session, cudaStream_t stream, const CudnnPlan& plan, const Array& x, const Array& filter,
           const Array& y) {
  constexpr float kNever = std::numeric_limits<float>::infinity();
  if (Execute(session, plan, x, filter, y) != CUDNN_STATUS_SUCCESS) return kNever;
  cudaEvent_t begin, end;
  CheckCuda(cudaEventCreate(&begin), "cudaEventCreate");
  CheckCuda(cudaEventCreate(&end), "cudaEventCreate");
  cudaEventRecord(begin, stream);
  bool ran = true;
  for (int i = 0; i < kMeasuredRuns; ++i) ran = ran && Execute(session, plan, x, filter, y) == CUDNN_STATUS_SUCCESS;
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

// What a report says was to be computed.
std::string NameOf(Conv2dProduct product, const Conv2dGeometry& g, const Array& x, const Array& filter) {
  std::ostringstream text;
  text << "Conv2d"
       << (product == Conv2dProduct::kForward         ? ""
           : product == Conv2dProduct::kInputGradient ? " input gradient"
                                                      : " filter gradient")
       << ", " << x.dtype() << " " << x.shape() << ", filter " << filter.shape() << ", stride " << g.stride
       << ", padding " << g.padding;
  if (g.dilation != 1) text << ", dilation " << g.dilation;
  if (g.groups != 1) text << ", " << g.groups << " groups";
  return text.str();
}

// Of the plans that cuDNN names, the fastest first where they are to be measured.
PlanSearch Search(const CudnnSession& session, cudaStream_t stream, Conv2dProduct product,
                  const Conv2dGeometry& geometry, const Array& x, const Array& filter, const Array& y) {
  const Operation description = Describe(product, geometry, x.dtype());
  Require(description.operation.ok(), "Conv2d", "cuDNN: ", description.operation.error());
  const bool measure = GetConvolutionPlans() == ConvolutionPlans::kMeasured && !IsCapturing(stream);
  PlanSearch search = FindPlans(session, description.operation, x.dtype(), measure ? kMeasuredPlans : 1);
  if (search.plans.size() > 1) {
    std::vector<float> times;
    for (const CudnnPlan& candidate : search.plans) times.push_back(Time(session, stream, candidate, x, filter, y));
    const auto best = std::min_element(times.begin(), times.end()) - times.begin();
    std::swap(search.plans.front(), search.plans[static_cast<size_t>(best)]);
  }
  return search;
}

}  // namespace

std::string CudnnObjection(Conv2dProduct product, const Conv2dGeometry& geometry, DType dtype) {
  return Describe(product, geometry, dtype).operation.error();
}

bool Conv2dByCudnn(Stream& stream, Conv2dProduct product, const Conv2dGeometry& geometry, const Array& x,
                   const Array& filter, const Array& y) {
  if (x.dtype() == kFloat64) return false;
  const auto declined = [&](const std::string& why) {
    CountFallback(NameOf(product, geometry, x, filter) + ": " + why);
    return false;
  };
  if (!CudnnAligned(x, filter, y)) return declined(kNotAligned);
  const auto native = static_cast<cudaStream_t>(stream.native());
  const CudnnSession session("Conv2d", stream);
  static auto* const plans = new KnownPlans<Key>();
  const KnownPlans<Key>::Found found = plans->Find(KeyOf(session.device(), product, geometry, x.dtype()), [&] {
    return Search(session, native, product, geometry, x, filter, y);
  });
  if (found.plan == nullptr) return declined(found.why_none);
  const cudnnStatus_t status = Execute(session, *found.plan, x, filter, y);
  Require(status == CUDNN_STATUS_SUCCESS, "Conv2d", "cudnnBackendExecute: ", Cudnn::Library().GetErrorString(status));
  return true;
}

}  // namespace autograd::cuda
