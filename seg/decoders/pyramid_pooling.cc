#include "seg/decoders/pyramid_pooling.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/pooling.h"
#include "autograd/ops/resize.h"
#include "nn/layers/dropout.h"

namespace seg {

PyramidPoolingConfig PyramidPoolingConfig::Mmseg() { return {.initializers = HeadInitializers::Mmseg()}; }

PyramidPoolingConfig PyramidPoolingConfig::Semseg() { return {.align_corners = true}; }

PyramidPooling::PyramidPooling(int64_t inputs, int64_t classes, const PyramidPoolingConfig& given, RandomKey key)
    : config(given),
      bottleneck(inputs + static_cast<int64_t>(given.bins.size()) * given.width, given.width, 3,
                 {.norm = given.norm, .weight_initializer = given.initializers.convolution}, key.Split("bottleneck")),
      classifier(given.width, classes,
                 {.weight_initializer = given.initializers.classifier,
                  .bias_initializer = given.initializers.classifier_bias,
                  .layout = nn::Layout::kPointwiseConv2d},
                 key.Split("classifier")) {
  autograd::Require(!config.bins.empty() && *std::min_element(config.bins.begin(), config.bins.end()) >= 1,
                    "PyramidPooling", "needs bins, each at least 1");
  for (size_t i = 0; i < config.bins.size(); ++i) {
    branches.emplace_back(
        inputs, config.width, 1,
        nn::ConvNormActOptions{.norm = config.norm, .weight_initializer = config.initializers.convolution},
        key.Split("branches").Split(i));
  }
}

Variable PyramidPooling::operator()(const Variable& x, const nn::Context& context, Variable* embedding) {
  std::vector<Variable> features{x};
  for (size_t i = 0; i < branches.size(); ++i) {
    const Variable means = autograd::AdaptiveAveragePool2d(x, config.bins[i], config.bins[i]);
    features.push_back(
        autograd::ResizeBilinear(branches[i](means, context), x.shape()[1], x.shape()[2], config.align_corners));
  }
  Variable mixed = bottleneck(autograd::Concatenate(features, -1), context);
  if (embedding != nullptr) *embedding = mixed;
  const nn::Context dropout = context.Split("dropout");
  mixed = config.drop_channels ? nn::Dropout2d{config.dropout}(mixed, dropout)
                               : nn::Dropout{config.dropout}(mixed, dropout);
  return classifier(mixed);
}

NormExtent PyramidPooling::SmallestNorm(int64_t pixels) const {
  const int64_t fewest = *std::min_element(config.bins.begin(), config.bins.end());
  if (fewest == 1) return {1, "pyramid pooling's 1×1 bin"};
  return {std::min(pixels, fewest * fewest), "pyramid pooling head"};
}

void PyramidPooling::Fields(nn::FieldVisitor& visitor) {
  for (size_t i = 0; i < branches.size(); ++i) visitor.Field(absl::StrCat("psp_modules.", i, ".1"), branches[i]);
  visitor.Field("0", bottleneck.conv);
  visitor.Field("1", bottleneck.bn);
  visitor.Field("4", classifier);
}

std::string PyramidPoolingName(absl::string_view name) {
  absl::string_view rest = name;
  if (absl::ConsumePrefix(&rest, "bottleneck.conv.") || absl::ConsumePrefix(&rest, "ppm_net.bottleneck.0."))
    return absl::StrCat("0.", rest);
  if (absl::ConsumePrefix(&rest, "bottleneck.bn.") || absl::ConsumePrefix(&rest, "ppm_net.bottleneck.1."))
    return absl::StrCat("1.", rest);
  // In SSSegmentation place 0 is the dropout.
  if (absl::ConsumePrefix(&rest, "conv_seg.") || absl::ConsumePrefix(&rest, "decoder.1."))
    return absl::StrCat("4.", rest);
  if (absl::ConsumePrefix(&rest, "cls.")) return std::string(rest);

  if (absl::ConsumePrefix(&rest, "ppm_net.branches.") || absl::ConsumePrefix(&rest, "ppm.features.")) {
    // A branch is a sequence of pooling, convolution, norm, ReLU.
    const size_t dot = rest.find('.');
    if (dot == absl::string_view::npos) return std::string(name);
    const absl::string_view branch = rest.substr(0, dot);
    rest = rest.substr(dot + 1);
    if (absl::ConsumePrefix(&rest, "1.")) return absl::StrCat("psp_modules.", branch, ".1.conv.", rest);
    if (absl::ConsumePrefix(&rest, "2.")) return absl::StrCat("psp_modules.", branch, ".1.bn.", rest);
  }
  return std::string(name);
}

}  // namespace seg
