#include "seg/decoders/aspp.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/pooling.h"
#include "autograd/ops/resize.h"
#include "nn/layers/dropout.h"

namespace seg {
namespace {

nn::ConvNormAct Cbr(int64_t inputs, int64_t kernel, int64_t dilation, const AsppConfig& config, RandomKey key) {
  return nn::ConvNormAct(inputs, config.width, kernel,
                         {.dilation = dilation, .norm = config.norm, .weight_initializer = config.weight_initializer},
                         key);
}

AsppConfig WithInitializer(AsppConfig config, const nn::Initializer& initializer) {
  config.weight_initializer = initializer;
  return config;
}

}  // namespace

Aspp::Aspp(int64_t inputs, const AsppConfig& given, RandomKey key)
    : config(given),
      pooled(Cbr(inputs, 1, 1, given, key.Split("pooled"))),
      projection(Cbr((static_cast<int64_t>(given.rates.size()) + 2) * given.width, given.projection_kernel, 1, given,
                     key.Split("projection"))) {
  branches.push_back(Cbr(inputs, 1, 1, config, key.Split("branches").Split(branches.size())));
  for (int64_t rate : config.rates)
    branches.push_back(Cbr(inputs, 3, rate, config, key.Split("branches").Split(branches.size())));
}

Variable Aspp::operator()(const Variable& x, const nn::Context& context) {
  std::vector<Variable> features;
  for (nn::ConvNormAct& branch : branches) features.push_back(branch(x, context));
  const Variable pixel = pooled(autograd::GlobalAveragePool(x), context);
  features.insert(config.pool_first ? features.begin() : features.end(),
                  autograd::ResizeBilinear(pixel, x.shape()[1], x.shape()[2]));
  return projection(autograd::Concatenate(features, -1), context);
}

void Aspp::Fields(nn::FieldVisitor& visitor) {
  for (size_t i = 0; i < branches.size(); ++i) {
    visitor.Field(absl::StrCat("convs.", i, ".0"), branches[i].conv);
    visitor.Field(absl::StrCat("convs.", i, ".1"), branches[i].bn);
  }
  visitor.Field(absl::StrCat("convs.", branches.size(), ".1"), pooled.conv);
  visitor.Field(absl::StrCat("convs.", branches.size(), ".2"), pooled.bn);
  visitor.Field("project.0", projection.conv);
  visitor.Field("project.1", projection.bn);
}

DeepLabHeadConfig DeepLabHeadConfig::Mmseg() {
  return {.aspp = {.width = 512, .pool_first = true, .projection_kernel = 3},
          .projection_dropout = 0,
          .refine = false,
          .dropout = 0.1,
          .initializers = HeadInitializers::Mmseg()};
}

DeepLabHead::DeepLabHead(int64_t inputs, int64_t classes, const DeepLabHeadConfig& given, RandomKey key)
    : config(given),
      aspp(inputs, WithInitializer(given.aspp, given.initializers.convolution), key.Split("aspp")),
      classifier(given.aspp.width, classes,
                 {.weight_initializer = given.initializers.classifier,
                  .bias_initializer = given.initializers.classifier_bias,
                  .layout = nn::Layout::kPointwiseConv2d},
                 key.Split("classifier")) {
  if (config.refine) refinement.emplace(Cbr(aspp.config.width, 3, 1, aspp.config, key.Split("refinement")));
}

Variable DeepLabHead::operator()(const Variable& x, const nn::Context& context, Variable* embedding) {
  Variable features = aspp(x, context);
  features = nn::Dropout{config.projection_dropout}(features, context.Split("projection_dropout"));
  if (refinement.has_value()) features = (*refinement)(features, context);
  if (embedding != nullptr) *embedding = features;
  return classifier(nn::Dropout2d{config.dropout}(features, context.Split("dropout")));
}

void DeepLabHead::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("0", aspp);
  if (refinement.has_value()) {
    visitor.Field("1", refinement->conv);
    visitor.Field("2", refinement->bn);
  }
  visitor.Field("4", classifier);
}

std::string DeepLabHeadName(absl::string_view name, size_t rates) {
  const std::string pooled = absl::StrCat("0.convs.", rates + 1);
  const std::pair<std::string, std::string> prefixes[] = {
      // mmseg
      {"image_pool.1.conv.", pooled + ".1."},
      {"image_pool.1.bn.", pooled + ".2."},
      {"aspp_modules.", "0.convs."},
      {"bottleneck.", "0.project."},
      {"conv_seg.", "4."},
      // SSSegmentation
      {"aspp_net.parallel_branches.", "0.convs."},
      {"aspp_net.global_branch.", pooled + "."},
      {"aspp_net.bottleneck.", "0.project."},
      {"decoder.1.", "4."},
  };
  for (const auto& [from, to] : prefixes) {
    absl::string_view rest = name;
    if (absl::ConsumePrefix(&rest, from))
      return absl::StrReplaceAll(to + std::string(rest), {{".conv.", ".0."}, {".bn.", ".1."}});
  }
  return std::string(name);
}

}  // namespace seg
