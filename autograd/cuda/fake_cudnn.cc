#include "autograd/cuda/fake_cudnn.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/cuda/cudnn.h"
#include "autograd/runtime/dtype.h"
#include "autograd/runtime/error.h"

namespace autograd::cuda {
namespace fake_cudnn {
namespace {

constexpr char kName[] = "fake cuDNN";

bool have_plans = true;
cudnnStatus_t next_plan = CUDNN_STATUS_SUCCESS;
int64_t searches = 0, live_descriptors = 0;

struct Descriptor;
struct Value {
  cudnnBackendAttributeType_t type;
  std::vector<char> bytes;
  std::vector<std::shared_ptr<const Descriptor>> descriptors;
};

// A descriptor keeps what it refers to: the program may destroy that first.
struct Descriptor {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Value> attributes;

  bool Has(cudnnBackendAttributeName_t name) const { return attributes.count(name) > 0; }
  const Value& At(cudnnBackendAttributeName_t name) const {
    const auto found = attributes.find(name);
    Require(found != attributes.end(), kName, "attribute ", static_cast<int>(name), " is not set");
    return found->second;
  }
  const Descriptor& Child(cudnnBackendAttributeName_t name) const { return *At(name).descriptors.at(0); }
  template <typename T>
  std::vector<T> All(cudnnBackendAttributeName_t name) const {
    const std::vector<char>& bytes = At(name).bytes;
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  template <typename T>
  T One(cudnnBackendAttributeName_t name) const {
    return All<T>(name).at(0);
  }
};

// What a cudnnBackendDescriptor_t points to.
using Handle = std::shared_ptr<Descriptor>;
Descriptor& Of(cudnnBackendDescriptor_t handle) { return **static_cast<Handle*>(handle); }

size_t BytesOf(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
      return 8;
    case CUDNN_TYPE_FLOAT:
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE:
      return 4;
    case CUDNN_TYPE_BOOLEAN:
      return sizeof(bool);
    default:
      Fail(kName, "attributes of type ", static_cast<int>(type));
  }
}

cudnnStatus_t CreateHandle(cudnnHandle_t* handle) {
  static int only;
  *handle = reinterpret_cast<cudnnHandle_t>(&only);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t SetStream(cudnnHandle_t, cudaStream_t) { return CUDNN_STATUS_SUCCESS; }
const char* GetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ? "out of device memory"
                                                                        : "a status of the fake";
}
void GetLastErrorString(char* message, size_t) { message[0] = '\0'; }

cudnnStatus_t CreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* handle) {
  ++live_descriptors;
  *handle = new Handle(std::make_shared<Descriptor>(Descriptor{type, false, {}}));
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t DestroyDescriptor(cudnnBackendDescriptor_t handle) {
  --live_descriptors;
  delete static_cast<Handle*>(handle);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t SetAttribute(cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name,
                           cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  Descriptor& descriptor = Of(handle);
  Require(!descriptor.finalized, kName, "an attribute is set after finalization");
  Value value{type, {}, {}};
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    for (int64_t i = 0; i < count; ++i) {
      const Handle& child = *static_cast<Handle*>(static_cast<const cudnnBackendDescriptor_t*>(values)[i]);
      Require(child->finalized, kName, "a descriptor is used before finalization");
      value.descriptors.push_back(child);
    }
  } else {
    const auto* const first = static_cast<const char*>(values);
    value.bytes.assign(first, first + static_cast<size_t>(count) * BytesOf(type));
  }
  descriptor.attributes[name] = std::move(value);
  return CUDNN_STATUS_SUCCESS;
}

// The names of what a convolution's products call differently.
struct Roles {
  cudnnBackendAttributeName_t x, filter, y, convolution, alpha, beta;
};
Roles RolesOf(cudnnBackendDescriptorType_t type) {
  if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) {
    return {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
  }
  if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR) {
    return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
  }
  return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}
bool IsConvolution(cudnnBackendDescriptorType_t type) {
  return type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ||
         type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ||
         type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
}

std::vector<int64_t> Dimensions(const Descriptor& tensor) { return tensor.All<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS); }

struct Convolution {
  std::vector<int64_t> strides, dilations, before, after;
};
Convolution ConvolutionOf(const Descriptor& descriptor) {
  return {descriptor.All<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
          descriptor.All<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS),
          descriptor.All<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
          descriptor.All<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS)};
}

// Axes are N, C, H, W.
bool ExtentsGoTogether(const Descriptor& operation) {
  const Roles roles = RolesOf(operation.type);
  const std::vector<int64_t> x = Dimensions(operation.Child(roles.x)), w = Dimensions(operation.Child(roles.filter)),
                             y = Dimensions(operation.Child(roles.y));
  const Convolution c = ConvolutionOf(operation.Child(roles.convolution));
  if (x[0] != y[0] || w[0] != y[1] || x[1] % w[1] != 0 || w[0] % (x[1] / w[1]) != 0) return false;
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t span = x[2 + axis] + c.before[axis] + c.after[axis] - c.dilations[axis] * (w[2 + axis] - 1) - 1;
    if (y[2 + axis] != span / c.strides[axis] + 1) return false;
  }
  return true;
}

cudnnStatus_t Finalize(cudnnBackendDescriptor_t handle) {
  Descriptor& descriptor = Of(handle);
  if (descriptor.type == CUDNN_BACKEND_TENSOR_DESCRIPTOR) {
    Require(Dimensions(descriptor).size() == descriptor.All<int64_t>(CUDNN_ATTR_TENSOR_STRIDES).size() &&
                descriptor.Has(CUDNN_ATTR_TENSOR_DATA_TYPE) && descriptor.Has(CUDNN_ATTR_TENSOR_UNIQUE_ID) &&
                descriptor.Has(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT),
            kName, "a tensor lacks something");
  } else if (IsConvolution(descriptor.type)) {
    if (!ExtentsGoTogether(descriptor)) return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
  } else if (descriptor.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    if (next_plan != CUDNN_STATUS_SUCCESS) return std::exchange(next_plan, CUDNN_STATUS_SUCCESS);
    if (!have_plans) return CUDNN_STATUS_NOT_SUPPORTED;
  } else if (descriptor.type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) {
    ++searches;
  }
  descriptor.finalized = true;
  return CUDNN_STATUS_SUCCESS;
}

// The fallback's heuristic names nothing, so a search asks for one plan.
cudnnStatus_t GetAttribute(cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name,
                           cudnnBackendAttributeType_t, int64_t requested, int64_t* count, void* values) {
  const Descriptor& descriptor = Of(handle);
  *count = 0;
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS || name == CUDNN_ATTR_ENGINECFG_ENGINE) {
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS &&
        descriptor.One<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE) == CUDNN_HEUR_MODE_FALLBACK) {
      return CUDNN_STATUS_SUCCESS;
    }
    *count = 1;
    if (requested < 1) return CUDNN_STATUS_SUCCESS;
    Descriptor& made = Of(static_cast<cudnnBackendDescriptor_t*>(values)[0]);
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS)
      made.attributes[CUDNN_ATTR_ENGINE_OPERATION_GRAPH] = descriptor.At(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    made.finalized = true;
  } else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) {
    const int64_t bytes = 128;
    *count = 1;
    std::memcpy(values, &bytes, sizeof(bytes));
  } else {
    Require(name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, kName, "attribute ", static_cast<int>(name), " is asked for");
  }
  return CUDNN_STATUS_SUCCESS;
}

// A tensor at its address, read and written by the indices of its axes.
class Tensor {
 public:
  Tensor(const Descriptor& descriptor, const std::map<int64_t, void*>& pointers)
      : extents(Dimensions(descriptor)),
        strides_(descriptor.All<int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
        type_(descriptor.One<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)) {
    const auto found = pointers.find(descriptor.One<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID));
    Require(found != pointers.end() && found->second != nullptr, kName, "an operand has no address");
    address_ = found->second;
    const bool by_value = descriptor.Has(CUDNN_ATTR_TENSOR_IS_BY_VALUE);
    Require(by_value || reinterpret_cast<uintptr_t>(address_) %
                                static_cast<uintptr_t>(descriptor.One<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)) ==
                            0,
            kName, "an operand is not aligned as its tensor says");
  }

  double Get(const std::vector<int64_t>& index) const {
    const int64_t at = Offset(index);
    if (type_ == CUDNN_DATA_FLOAT) return static_cast<const float*>(address_)[at];
    return static_cast<double>(static_cast<const BFloat16*>(address_)[at]);
  }
  void Set(const std::vector<int64_t>& index, double value) const {
    const int64_t at = Offset(index);
    if (type_ == CUDNN_DATA_FLOAT) {
      static_cast<float*>(address_)[at] = static_cast<float>(value);
    } else {
      static_cast<BFloat16*>(address_)[at] = BFloat16(static_cast<float>(value));
    }
  }

  const std::vector<int64_t> extents;

 private:
  int64_t Offset(const std::vector<int64_t>& index) const {
    int64_t offset = 0;
    for (size_t axis = 0; axis < index.size(); ++axis) offset += index[axis] * strides_[axis];
    return offset;
  }

  std::vector<int64_t> strides_;
  cudnnDataType_t type_;
  void* address_;
};

void ForEachIndex(const std::vector<int64_t>& extents, const std::function<void(const std::vector<int64_t>&)>& body) {
  std::vector<int64_t> index(extents.size());
  int64_t count = 1;
  for (const int64_t extent : extents) count *= extent;
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i;
    for (size_t axis = extents.size(); axis-- > 0; rest /= extents[axis]) index[axis] = rest % extents[axis];
    body(index);
  }
}

void Convolve(const Descriptor& operation, const std::map<int64_t, void*>& pointers) {
  const Roles roles = RolesOf(operation.type);
  const Tensor x(operation.Child(roles.x), pointers), w(operation.Child(roles.filter), pointers),
      y(operation.Child(roles.y), pointers);
  const Convolution c = ConvolutionOf(operation.Child(roles.convolution));
  Require(operation.One<float>(roles.alpha) == 1 && operation.One<float>(roles.beta) == 0, kName,
          "computes alpha = 1 and beta = 0 only");
  const bool forward = operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
             to_x = operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
  const Tensor& result = forward ? y : to_x ? x : w;
  std::map<std::vector<int64_t>, double> sums;
  ForEachIndex(result.extents, [&](const std::vector<int64_t>& index) { sums[index] = 0; });
  const int64_t group_outputs = w.extents[0] / (x.extents[1] / w.extents[1]);
  ForEachIndex(y.extents, [&](const std::vector<int64_t>& at_y) {
    ForEachIndex({w.extents[1], w.extents[2], w.extents[3]}, [&](const std::vector<int64_t>& tap) {
      const int64_t row = at_y[2] * c.strides[0] + tap[1] * c.dilations[0] - c.before[0],
                    column = at_y[3] * c.strides[1] + tap[2] * c.dilations[1] - c.before[1];
      if (row < 0 || row >= x.extents[2] || column < 0 || column >= x.extents[3]) return;
      const std::vector<int64_t> at_x = {at_y[0], at_y[1] / group_outputs * w.extents[1] + tap[0], row, column},
                                 at_w = {at_y[1], tap[0], tap[1], tap[2]};
      if (forward) {
        sums[at_y] += x.Get(at_x) * w.Get(at_w);
      } else if (to_x) {
        sums[at_x] += y.Get(at_y) * w.Get(at_w);
      } else {
        sums[at_w] += x.Get(at_x) * y.Get(at_y);
      }
    });
  });
  for (const auto& [index, sum] : sums) result.Set(index, sum);
}

// Axes are image, head, token, channel.
void Attend(const Descriptor& operation, const std::map<int64_t, void*>& pointers) {
  const Tensor q(operation.Child(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC), pointers),
      k(operation.Child(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC), pointers),
      v(operation.Child(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC), pointers),
      y(operation.Child(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC), pointers),
      log_sums(operation.Child(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC), pointers),
      scale(operation.Child(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC), pointers);
  const int64_t keys = k.extents[2];
  ForEachIndex({q.extents[0], q.extents[1], q.extents[2]}, [&](const std::vector<int64_t>& row) {
    std::vector<double> weights(keys);
    double total = 0;
    for (int64_t key = 0; key < keys; ++key) {
      double score = 0;
      for (int64_t c = 0; c < q.extents[3]; ++c)
        score += q.Get({row[0], row[1], row[2], c}) * k.Get({row[0], row[1], key, c});
      weights[key] = std::exp(scale.Get({0, 0, 0, 0}) * score);
      total += weights[key];
    }
    for (int64_t c = 0; c < v.extents[3]; ++c) {
      double sum = 0;
      for (int64_t key = 0; key < keys; ++key) sum += weights[key] / total * v.Get({row[0], row[1], key, c});
      y.Set({row[0], row[1], row[2], c}, sum);
    }
    log_sums.Set({row[0], row[1], row[2], 0}, std::log(total));
  });
}

cudnnStatus_t Execute(cudnnHandle_t, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  const auto ids = Of(pack).All<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto addresses = Of(pack).All<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  Require(ids.size() == addresses.size(), kName, ids.size(), " ids and ", addresses.size(), " addresses");
  Require(Of(pack).One<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE) != nullptr, kName, "a plan lacks its workspace");
  std::map<int64_t, void*> pointers;
  for (size_t i = 0; i < ids.size(); ++i) pointers[ids[i]] = addresses[i];
  const Descriptor& operation = Of(plan)
                                    .Child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
                                    .Child(CUDNN_ATTR_ENGINE_OPERATION_GRAPH)
                                    .Child(CUDNN_ATTR_OPERATIONGRAPH_OPS);
  if (operation.type == CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR) {
    Attend(operation, pointers);
  } else if (IsConvolution(operation.type)) {
    Convolve(operation, pointers);
  } else {
    return CUDNN_STATUS_EXECUTION_FAILED;
  }
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

void HavePlans(bool have) { have_plans = have; }
void FailNextPlan(cudnnStatus_t status) { next_plan = status; }
int64_t Searches() { return searches; }
int64_t LiveDescriptors() { return live_descriptors; }

}  // namespace fake_cudnn

const Cudnn& Cudnn::Library() {
  namespace fake = fake_cudnn;
  static const Cudnn library = [] {
    Cudnn table;
    table.Create = fake::CreateHandle;
    table.SetStream = fake::SetStream;
    table.GetErrorString = fake::GetErrorString;
    table.GetLastErrorString = fake::GetLastErrorString;
    table.BackendCreateDescriptor = fake::CreateDescriptor;
    table.BackendDestroyDescriptor = fake::DestroyDescriptor;
    table.BackendSetAttribute = fake::SetAttribute;
    table.BackendGetAttribute = fake::GetAttribute;
    table.BackendFinalize = fake::Finalize;
    table.BackendExecute = fake::Execute;
    return table;
  }();
  return library;
}

}  // namespace autograd::cuda
