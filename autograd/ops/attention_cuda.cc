// Attention by cuDNN's single operation for it (cuDNN 9.13 and later), forward and backward.

#include <span>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "autograd/cuda/cudnn_plans.h"
#include "autograd/ops/attention_cuda.h"
#include "autograd/runtime/fallbacks.h"

namespace autograd::cuda {
namespace {

// Unique ids of the tensors.
constexpr int64_t kQ = 1, kK = 2, kV = 3, kY = 4, kLogSums = 5, kScale = 6, kDy = 7, kDq = 8, kDk = 9, kDv = 10;

AttentionExtents ExtentsOf(const Array& q, const Array& k, const Array& v) {
  return {q.shape()[0], q.shape()[1], k.shape()[1], q.shape()[2], q.shape()[3], v.shape()[3]};
}

bool Takes(const AttentionExtents& e, DType dtype) {
  return dtype == kBFloat16 && e.d % 8 == 0 && e.dv % 8 == 0 && e.d <= 128 && e.dv <= 128 && e.n > 0 && e.l > 0 &&
         e.keys > 0 && e.heads > 0 && Cudnn::Library().missing.empty();
}

// cuDNN's axes are image, head, token, channel; in memory tokens come before heads.
CudnnDescriptor Tokens(int64_t id, const AttentionExtents& e, int64_t tokens, int64_t width) {
  return CudnnTensor(id, CUDNN_DATA_BFLOAT16, {e.n, e.heads, tokens, width},
                     {tokens * e.heads * width, width, e.heads * width, 1});
}

// log Σ exp of the scaled scores of each query: what cuDNN calls statistics.
CudnnDescriptor LogSums(const AttentionExtents& e) {
  return CudnnTensor(kLogSums, CUDNN_DATA_FLOAT, {e.n, e.heads, e.l, 1}, {e.heads * e.l, e.l, 1, 1});
}

CudnnDescriptor Scale() {
  CudnnDescriptor scale(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const bool by_value = true;
  scale.Set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT)
      .Set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::vector<int64_t>{1, 1, 1, 1})
      .Set(CUDNN_ATTR_TENSOR_STRIDES, std::vector<int64_t>{1, 1, 1, 1})
      .Set(CUDNN_ATTR_TENSOR_UNIQUE_ID, kScale)
      .Set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16})
      .Set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &by_value)
      .Finalize();
  return scale;
}

// The operation with the tensors that it refers to.
struct Description {
  std::vector<CudnnDescriptor> tensors;
  CudnnDescriptor operation;
};

Description Describe(const AttentionExtents& e, bool gradient) {
  Description description{{},
                          CudnnDescriptor(gradient ? CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR
                                                   : CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR)};
  const auto set = [&](cudnnBackendAttributeName_t name, CudnnDescriptor tensor) {
    description.operation.Set(name, tensor);
    description.tensors.push_back(std::move(tensor));
  };
  if (!gradient) {
    set(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, Tokens(kQ, e, e.l, e.d));
    set(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, Tokens(kK, e, e.keys, e.d));
    set(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, Tokens(kV, e, e.keys, e.dv));
    set(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, Tokens(kY, e, e.l, e.dv));
    set(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, LogSums(e));
    set(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, Scale());
  } else {
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_QDESC, Tokens(kQ, e, e.l, e.d));
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_KDESC, Tokens(kK, e, e.keys, e.d));
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_VDESC, Tokens(kV, e, e.keys, e.dv));
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_ODESC, Tokens(kY, e, e.l, e.dv));
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_STATSDESC, LogSums(e));
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_SCALEDESC, Scale());
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_DODDESC, Tokens(kDy, e, e.l, e.dv));
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_DQDESC, Tokens(kDq, e, e.l, e.d));
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_DKDESC, Tokens(kDk, e, e.keys, e.d));
    set(CUDNN_ATTR_OPERATION_SDPA_BWD_DVDESC, Tokens(kDv, e, e.keys, e.dv));
  }
  description.operation.Finalize();
  return description;
}

using Key = std::tuple<int, bool, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>;

// Says to the report of fallbacks what was to be computed, and why it was not.
bool Declined(const AttentionExtents& e, bool gradient, const std::string& why) {
  std::ostringstream text;
  text << "Attention" << (gradient ? " gradient" : "") << ", bfloat16, " << e.n << " images, " << e.l << " queries, "
       << e.keys << " keys, " << e.heads << " heads of " << e.d << " and " << e.dv << ": " << why;
  CountFallback(text.str());
  return false;
}

bool Run(Stream& stream, const AttentionExtents& e, bool gradient, std::span<const CudnnOperand> operands) {
  const CudnnSession session("ScaledDotProductAttention", stream);
  static auto* const plans = new KnownPlans<Key>();
  const KnownPlans<Key>::Found found =
      plans->Find(Key{session.device(), gradient, e.n, e.l, e.keys, e.heads, e.d, e.dv}, [&] {
        // A library that does not know the operation leaves it to our kernels.
        const Description description = Describe(e, gradient);
        if (description.operation.ok()) return FindPlans(session, description.operation, kBFloat16, 1);
        PlanSearch none;
        none.Note(description.operation);
        return none;
      });
  if (found.plan == nullptr) return Declined(e, gradient, found.why_none);
  const cudnnStatus_t status = RunPlan(session, *found.plan, operands);
  if (status == CUDNN_STATUS_SUCCESS) return true;
  return Declined(e, gradient, std::string("cudnnBackendExecute: ") + Cudnn::Library().GetErrorString(status));
}

}  // namespace

std::string AttentionObjection(const AttentionExtents& extents, bool gradient) {
  return Describe(extents, gradient).operation.error();
}

bool AttentionByCudnn(Stream& stream, const Array& q, const Array& k, const Array& v, double scale, const Array& y,
                      const Array& log_sums) {
  const AttentionExtents extents = ExtentsOf(q, k, v);
  if (!Takes(extents, q.dtype())) return false;
  if (!CudnnAligned(q, k, v, y, log_sums)) return Declined(extents, false, kNotAligned);
  const auto factor = static_cast<float>(scale);
  const CudnnOperand operands[] = {
      {kQ, q.raw()}, {kK, k.raw()}, {kV, v.raw()}, {kY, y.raw()}, {kLogSums, log_sums.raw()}, {kScale, &factor}};
  return Run(stream, extents, false, operands);
}

bool AttentionGradientByCudnn(Stream& stream, const Array& q, const Array& k, const Array& v, const Array& y,
                              const Array& log_sums, const Array& dy, double scale, const Array& dq, const Array& dk,
                              const Array& dv) {
  const AttentionExtents extents = ExtentsOf(q, k, v);
  if (!Takes(extents, q.dtype()) || !dq.defined() || !dk.defined() || !dv.defined()) return false;
  if (!CudnnAligned(q, k, v, y, log_sums, dy, dq, dk, dv)) return Declined(extents, true, kNotAligned);
  const auto factor = static_cast<float>(scale);
  const CudnnOperand operands[] = {
      {kQ, q.raw()},     {kK, k.raw()},   {kV, v.raw()},   {kY, y.raw()},   {kLogSums, log_sums.raw()},
      {kScale, &factor}, {kDy, dy.raw()}, {kDq, dq.raw()}, {kDk, dk.raw()}, {kDv, dv.raw()}};
  return Run(stream, extents, true, operands);
}

}  // namespace autograd::cuda
