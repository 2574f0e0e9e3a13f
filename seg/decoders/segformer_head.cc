#include "seg/decoders/segformer_head.h"

#include "absl/strings/str_cat.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/resize.h"
#include "nn/layers/dropout.h"

namespace seg {

SegFormerHeadConfig SegFormerHeadConfig::HuggingFace(int64_t width) { return {.width = width}; }

SegFormerHeadConfig SegFormerHeadConfig::Nvidia(int64_t width) { return {.width = width, .drop_channels = true}; }

SegFormerHeadConfig SegFormerHeadConfig::Mmseg() {
  return {.levels = Levels::kConvolution, .drop_channels = true, .initializers = HeadInitializers::Mmseg()};
}

SegFormerHead::SegFormerHead(const std::array<int64_t, 4>& inputs, int64_t classes, const SegFormerHeadConfig& given,
                             RandomKey key)
    : config(given),
      fusion(
          4 * given.width, given.width,
          {.bias = false, .weight_initializer = given.initializers.convolution, .layout = nn::Layout::kPointwiseConv2d},
          key.Split("fusion")),
      fusion_norm(given.width, given.norm),
      classifier(given.width, classes,
                 {.weight_initializer = given.initializers.classifier,
                  .bias_initializer = given.initializers.classifier_bias,
                  .layout = nn::Layout::kPointwiseConv2d},
                 key.Split("classifier")) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const RandomKey level_key = key.Split("levels").Split(i);
    if (config.levels == SegFormerHeadConfig::Levels::kLinear) {
      linear_levels.emplace_back(inputs[i], config.width, nn::LinearOptions{}, level_key);
    } else {
      convolution_levels.emplace_back(
          inputs[i], config.width, 1,
          nn::ConvNormActOptions{.norm = config.norm, .weight_initializer = config.initializers.convolution},
          level_key);
    }
  }
}

Variable SegFormerHead::operator()(const std::vector<Variable>& features, const nn::Context& context) {
  autograd::Require(features.size() == 4, "SegFormerHead", "fuses 4 features, not ", features.size());
  const bool linear = config.levels == SegFormerHeadConfig::Levels::kLinear;
  // The 1×1 convolution of the concatenated levels is the sum of one of each, which commutes with the resize: at each
  // level's own size the four cost 4/3 of what one costs at the first level's, not 4, and no concatenation is kept.
  const std::vector<Variable> weights = autograd::Split(nn::InTypeOf(features[0], fusion.weight), 1,
                                                        {config.width, config.width, config.width, config.width});
  Variable fused;
  for (size_t i = features.size(); i-- > 0;) {
    const Variable level = linear ? linear_levels[i](features[i]) : convolution_levels[i](features[i], context);
    const Variable part = autograd::ResizeBilinear(autograd::Linear(level, weights[linear ? 3 - i : i]),
                                                   features[0].shape()[1], features[0].shape()[2]);
    fused = fused.defined() ? fused + part : part;
  }
  fused = fusion_norm(fused, context, /*relu=*/true);
  const nn::Context dropout = context.Split("dropout");
  return classifier(config.drop_channels ? nn::Dropout2d{config.dropout}(fused, dropout)
                                         : nn::Dropout{config.dropout}(fused, dropout));
}

NormExtent SegFormerHead::SmallestNorm(const std::array<int64_t, 4>& pixels) const {
  if (config.levels == SegFormerHeadConfig::Levels::kLinear) return {pixels[0], "fused levels"};
  return {pixels[3], "head's last level"};
}

void SegFormerHead::Fields(nn::FieldVisitor& visitor) {
  if (config.levels == SegFormerHeadConfig::Levels::kLinear) {
    for (size_t i = 0; i < linear_levels.size(); ++i)
      visitor.Field(absl::StrCat("linear_c.", i, ".proj"), linear_levels[i]);
    visitor.Field("linear_fuse", fusion);
    visitor.Field("batch_norm", fusion_norm);
    visitor.Field("classifier", classifier);
  } else {
    visitor.Field("convs", convolution_levels);
    visitor.Field("fusion_conv.conv", fusion);
    visitor.Field("fusion_conv.bn", fusion_norm);
    visitor.Field("conv_seg", classifier);
  }
}

}  // namespace seg
