#include "nn/blocks/convnext_v2_block.h"

namespace nn {
namespace {

constexpr int64_t kKernel = 7, kExpansion = 4;

LinearOptions MlpOptions(Layout layout) {
  return {.weight_initializer = TruncatedNormal(), .bias_initializer = Zeros(), .layout = layout};
}

}  // namespace

ConvNeXtV2Block::ConvNeXtV2Block(int64_t channels, const ConvNeXtV2BlockOptions& options, RandomKey key)
    : depthwise(channels, kKernel, {.weight_initializer = TruncatedNormal(), .bias_initializer = Zeros()},
                key.Split("conv_dw")),
      norm(channels),
      fc1(channels, kExpansion * channels, MlpOptions(options.mlp_layout), key.Split("fc1")),
      grn(kExpansion * channels),
      fc2(kExpansion * channels, channels, MlpOptions(options.mlp_layout), key.Split("fc2")),
      drop_path{options.drop_path} {}

Variable ConvNeXtV2Block::operator()(const Variable& x, const Context& context) {
  const Variable branch = fc2(grn.AfterGelu(fc1(norm(depthwise(x)))));
  return drop_path.Residual(x, branch, context);
}

void ConvNeXtV2Block::Fields(FieldVisitor& visitor) {
  visitor.Field("conv_dw", depthwise);
  visitor.Field("norm", norm);
  visitor.Field("mlp.fc1", fc1);
  visitor.Field("mlp.grn", grn);
  visitor.Field("mlp.fc2", fc2);
}

}  // namespace nn
