#include "nn/blocks/bottleneck.h"

#include <memory>
#include <span>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "nn/layers/conv_norm_act.h"

namespace nn {
namespace {

Conv2dOptions WithoutBias(int64_t stride, int64_t padding, int64_t dilation) {
  return {
      .stride = stride, .padding = padding, .dilation = dilation, .bias = false, .weight_initializer = KaimingNormal()};
}

// While it lives, training passes leave the block's running statistics and counts as they are.
class HoldStatistics {
 public:
  explicit HoldStatistics(Bottleneck& block) : norms_{&block.bn1, &block.bn2, &block.bn3} {
    if (block.downsample_norm.has_value()) norms_.push_back(&*block.downsample_norm);
    for (BatchNorm2d* norm : norms_) {
      momenta_.push_back(norm->options.momentum);
      norm->options.momentum = 0;
    }
  }
  ~HoldStatistics() {
    for (size_t i = 0; i < norms_.size(); ++i) {
      norms_[i]->options.momentum = momenta_[i];
      norms_[i]->CountBatch(-1);
    }
  }
  HoldStatistics(const HoldStatistics&) = delete;
  HoldStatistics& operator=(const HoldStatistics&) = delete;

 private:
  std::vector<BatchNorm2d*> norms_;
  std::vector<double> momenta_;
};

}  // namespace

Bottleneck::Bottleneck(int64_t inputs, int64_t width, const BottleneckOptions& options, RandomKey key)
    : conv1(inputs, width, 1, WithoutBias(1, 0, 1), key.Split("conv1")),
      bn1(width, options.norm),
      conv2(width, width, 3, WithoutBias(options.stride, options.dilation, options.dilation), key.Split("conv2")),
      bn2(width, options.norm),
      conv3(width, kExpansion * width, 1, WithoutBias(1, 0, 1), key.Split("conv3")),
      bn3(kExpansion * width, options.norm) {
  if (options.zero_last_norm) bn3.weight.Set(autograd::ZerosLike(bn3.weight.value()));
  if (options.stride == 1 && inputs == kExpansion * width) return;
  downsample_convolution.emplace(inputs, kExpansion * width, 1, WithoutBias(options.stride, 0, 1),
                                 key.Split("downsample"));
  downsample_norm.emplace(kExpansion * width, options.norm);
}

Variable Bottleneck::operator()(const Variable& x, const Context& context, Variable* sum) {
  Variable branch = ConvolveAndNormalize(conv1, bn1, x, context, /*relu=*/true);
  branch = ConvolveAndNormalize(conv2, bn2, branch, context, /*relu=*/true);
  branch = ConvolveAndNormalize(conv3, bn3, branch, context, /*relu=*/false);
  const Variable shortcut = downsample_convolution.has_value()
                                ? ConvolveAndNormalize(*downsample_convolution, *downsample_norm, x, context, false)
                                : x;
  const Variable together = branch + shortcut;
  if (sum != nullptr) *sum = together;
  return autograd::Relu(together);
}

Variable Bottleneck::Checkpointed(const Variable& x, const Context& context) {
  const auto ran = std::make_shared<bool>(false);
  return autograd::Checkpoint(
      [this, context, ran](std::span<const Variable> inputs) {
        std::optional<HoldStatistics> hold;
        if (*ran && context.training) hold.emplace(*this);
        *ran = true;
        return (*this)(inputs[0], context);
      },
      {x});
}

void Bottleneck::Fields(FieldVisitor& visitor) {
  visitor.Field("conv1", conv1);
  visitor.Field("bn1", bn1);
  visitor.Field("conv2", conv2);
  visitor.Field("bn2", bn2);
  visitor.Field("conv3", conv3);
  visitor.Field("bn3", bn3);
  visitor.Field("downsample.0", downsample_convolution);
  visitor.Field("downsample.1", downsample_norm);
}

}  // namespace nn
