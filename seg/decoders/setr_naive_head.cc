#include "seg/decoders/setr_naive_head.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/resize.h"
#include "autograd/runtime/error.h"
#include "nn/layers/dropout.h"

namespace seg {
namespace {

Variable Enlarged(const Variable& x, int64_t scale) {
  return autograd::ResizeBilinear(x, scale * x.shape()[1], scale * x.shape()[2]);
}

}  // namespace

SetrNaiveHead::SetrNaiveHead(int64_t inputs, int64_t classes, const SetrNaiveHeadConfig& given, RandomKey key)
    : config(given),
      norm(inputs, given.epsilon),
      classifier(given.width, classes,
                 {.weight_initializer = given.initializers.classifier,
                  .bias_initializer = given.initializers.classifier_bias,
                  .layout = nn::Layout::kPointwiseConv2d},
                 key.Split("classifier")) {
  autograd::Require(config.convolutions >= 1, "SetrNaiveHead", "needs at least one convolution, not ",
                    config.convolutions);
  autograd::Require(config.kernel % 2 == 1, "SetrNaiveHead", "kernel is ", config.kernel, " but must be odd");
  autograd::Require(config.scale >= 1, "SetrNaiveHead", "scale is ", config.scale, " but must be at least 1");
  for (int64_t i = 0; i < config.convolutions; ++i) {
    convolutions.emplace_back(i == 0 ? inputs : config.width, config.width, config.kernel,
                              nn::Conv2dOptions{.padding = config.kernel / 2,
                                                .bias = config.convolution_bias,
                                                .weight_initializer = config.initializers.convolution},
                              key.Split("convolutions").Split(i));
    norms.emplace_back(config.width, config.norm);
  }
}

Variable SetrNaiveHead::operator()(const Variable& map, const nn::Context& context) {
  Variable x = norm(map);
  for (size_t i = 0; i < convolutions.size(); ++i) {
    if (i > 0) x = Enlarged(x, config.scale);
    x = norms[i](convolutions[i](x), context, /*relu=*/true);
  }
  // The packages classify the last enlarged map. Both of these act on each pixel alone, with factors that all
  // pixels of an image share, so that they may come before a resize, whose weights add up to one: there are fewer
  // classes than channels.
  x = nn::Dropout2d{config.dropout}(x, context.Split("dropout"));
  const Variable logits = autograd::Cast(classifier(x), autograd::kFloat32);
  return Enlarged(logits, config.scale);
}

void SetrNaiveHead::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("norm", norm);
  for (size_t i = 0; i < convolutions.size(); ++i) {
    visitor.Field(absl::StrCat("up_convs.", i, ".0.conv"), convolutions[i]);
    visitor.Field(absl::StrCat("up_convs.", i, ".0.bn"), norms[i]);
  }
  visitor.Field("conv_seg", classifier);
}

namespace {

// "12.weight" is 12 and "weight"; false for other names.
bool SplitPlace(absl::string_view name, int64_t& place, absl::string_view& rest) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(name, absl::MaxSplits('.', 1));
  rest = parts.second;
  return absl::SimpleAtoi(parts.first, &place);
}

}  // namespace

std::string SetrHeadNameOfFudan(absl::string_view name, int64_t convolutions) {
  absl::string_view rest = name;
  int64_t place = 0;
  if (absl::ConsumePrefix(&rest, "conv_seg.")) return "";
  if (absl::ConsumePrefix(&rest, "syncbn_fc_") && SplitPlace(rest, place, rest))
    return absl::StrCat("up_convs.", place, ".0.bn.", rest);
  if (absl::ConsumePrefix(&rest, "conv_") && SplitPlace(rest, place, rest)) {
    if (place == convolutions) return absl::StrCat("conv_seg.", rest);
    return absl::StrCat("up_convs.", place, ".0.conv.", rest);
  }
  return std::string(name);
}

std::string SetrHeadNameOfSssegmentation(absl::string_view name, int64_t convolutions) {
  // A sequence of (convolution, norm, ReLU, resize), dropout, classifier.
  absl::string_view rest;
  int64_t place = 0;
  if (!SplitPlace(name, place, rest)) return std::string(name);
  if (place == 4 * convolutions + 1) return absl::StrCat("conv_seg.", rest);
  return absl::StrCat("up_convs.", place / 4, place % 4 == 0 ? ".0.conv." : ".0.bn.", rest);
}

}  // namespace seg
