#include "seg/decoders/fcn_head.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "autograd/ops/concatenate.h"
#include "nn/layers/dropout.h"

namespace seg {

FcnHeadConfig FcnHeadConfig::Mmseg() {
  return {
      .convolutions = 2, .concatenate_input = true, .drop_channels = true, .initializers = HeadInitializers::Mmseg()};
}

FcnHeadConfig FcnHeadConfig::MmsegAuxiliary() {
  return {.width = 256, .drop_channels = true, .initializers = HeadInitializers::Mmseg()};
}

FcnHeadConfig FcnHeadConfig::Sssegmentation() { return {.convolutions = 2, .drop_channels = true}; }

FcnHeadConfig FcnHeadConfig::SssegmentationAuxiliary() { return {.drop_channels = true}; }

FcnHead::FcnHead(int64_t inputs, int64_t classes, const FcnHeadConfig& given, RandomKey key)
    : config(given),
      classifier(given.width, classes,
                 {.weight_initializer = given.initializers.classifier,
                  .bias_initializer = given.initializers.classifier_bias,
                  .layout = nn::Layout::kPointwiseConv2d},
                 key.Split("classifier")) {
  autograd::Require(config.convolutions >= 1, "FcnHead", "needs at least one convolution, not ", config.convolutions);
  const nn::ConvNormActOptions options{.norm = config.norm, .weight_initializer = config.initializers.convolution};
  for (int64_t i = 0; i < config.convolutions; ++i) {
    convolutions.emplace_back(i == 0 ? inputs : config.width, config.width, 3, options,
                              key.Split("convolutions").Split(i));
  }
  if (config.concatenate_input)
    concatenated.emplace(inputs + config.width, config.width, 3, options, key.Split("concatenated"));
}

Variable FcnHead::operator()(const Variable& x, const nn::Context& context, Variable* embedding) {
  Variable features = x;
  for (nn::ConvNormAct& convolution : convolutions) features = convolution(features, context);
  if (concatenated.has_value()) features = (*concatenated)(autograd::Concatenate({x, features}, -1), context);
  if (embedding != nullptr) *embedding = features;
  const nn::Context dropout = context.Split("dropout");
  features = config.drop_channels ? nn::Dropout2d{config.dropout}(features, dropout)
                                  : nn::Dropout{config.dropout}(features, dropout);
  return classifier(features);
}

void FcnHead::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("0", convolutions[0].conv);
  visitor.Field("1", convolutions[0].bn);
  for (size_t i = 1; i < convolutions.size(); ++i) visitor.Field(absl::StrCat("convs.", i), convolutions[i]);
  visitor.Field("conv_cat", concatenated);
  visitor.Field("4", classifier);
}

std::string FcnHeadName(absl::string_view name, int64_t convolutions) {
  absl::string_view rest = name;
  if (absl::ConsumePrefix(&rest, "conv_seg.")) return absl::StrCat("4.", rest);
  if (absl::ConsumePrefix(&rest, "convs.0.conv.")) return absl::StrCat("0.", rest);
  if (absl::ConsumePrefix(&rest, "convs.0.bn.")) return absl::StrCat("1.", rest);
  if (!absl::ConsumePrefix(&rest, "decoder.")) return std::string(name);

  // A sequence of (convolution, norm, ReLU), dropout, classifier.
  const size_t dot = rest.find('.');
  int64_t place = 0;
  if (dot == absl::string_view::npos || !absl::SimpleAtoi(rest.substr(0, dot), &place)) return std::string(name);
  rest = rest.substr(dot + 1);
  if (place == 3 * convolutions + 1) return absl::StrCat("4.", rest);
  if (place < 3) return absl::StrCat(place, ".", rest);
  return absl::StrCat("convs.", place / 3, place % 3 == 0 ? ".conv." : ".bn.", rest);
}

}  // namespace seg
