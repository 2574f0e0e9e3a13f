#include "nn/layers/normalization.h"

#include "autograd/core/captured_step.h"
#include "autograd/ops/batch_norm.h"
#include "autograd/ops/grn.h"
#include "autograd/ops/group_norm.h"
#include "autograd/ops/layer_norm.h"

namespace nn {
namespace {

Parameter Filled(int64_t channels, double value) {
  return Parameter(Array::Full({channels}, autograd::kFloat32, value));
}

Array PersistentFull(int64_t channels, double value) {
  Array array = Array::Full({channels}, autograd::kFloat32, value);
  array.MarkPersistent();
  return array;
}

}  // namespace

LayerNorm::LayerNorm(int64_t channels, double epsilon_value)
    : weight(Filled(channels, 1)), bias(Filled(channels, 0)), epsilon(epsilon_value) {}

Variable LayerNorm::operator()(const Variable& x) { return autograd::LayerNorm(x, weight, bias, epsilon); }

void LayerNorm::Fields(FieldVisitor& visitor) {
  visitor.Field("weight", weight);
  visitor.Field("bias", bias);
}

GroupNorm::GroupNorm(int64_t group_count, int64_t channels, double epsilon_value)
    : weight(Filled(channels, 1)), bias(Filled(channels, 0)), groups(group_count), epsilon(epsilon_value) {}

Variable GroupNorm::operator()(const Variable& x, bool relu) {
  return autograd::GroupNorm(x, weight, bias, groups, epsilon, relu);
}

void GroupNorm::Fields(FieldVisitor& visitor) {
  visitor.Field("weight", weight);
  visitor.Field("bias", bias);
}

BatchNorm2d::BatchNorm2d(int64_t channels, const BatchNormOptions& given)
    : weight(Filled(channels, 1)),
      bias(Filled(channels, 0)),
      running_mean(PersistentFull(channels, 0)),
      running_variance(PersistentFull(channels, 1)),
      options(given) {
  autograd::StreamScope host(autograd::Stream::Cpu());
  batches_tracked = Array::Zeros({}, autograd::kInt64);
}

Variable BatchNorm2d::operator()(const Variable& x, const Context& context, bool relu) {
  if (context.training) CountBatch(1);
  return autograd::BatchNorm(
      x, weight, bias, running_mean, running_variance, context.training,
      {.epsilon = options.epsilon, .momentum = options.momentum, .relu = relu, .replicas = context.replicas});
}

void BatchNorm2d::CountBatch(int64_t change) {
  autograd::OnEachRun([count = batches_tracked, change]() mutable { count.data<int64_t>()[0] += change; });
}

void BatchNorm2d::Fields(FieldVisitor& visitor) {
  visitor.Field("weight", weight);
  visitor.Field("bias", bias);
  visitor.Field("running_mean", running_mean);
  visitor.Field("running_var", running_variance);
  visitor.Field("num_batches_tracked", batches_tracked);
}

Grn::Grn(int64_t channels) : weight(Filled(channels, 0)), bias(Filled(channels, 0)) {}

Variable Grn::AfterGelu(const Variable& x) { return autograd::GeluGrn(x, weight, bias); }

void Grn::Fields(FieldVisitor& visitor) {
  visitor.Field("weight", weight);
  visitor.Field("bias", bias);
}

}  // namespace nn
