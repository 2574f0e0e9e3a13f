#include "seg/models/ciss_net.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/transpose.h"
#include "nn/layers/dropout.h"
#include "seg/models/context_map.h"

namespace seg {

static_assert(Model<CissNet>);

namespace {

using autograd::Cast;
using autograd::kFloat32;
using autograd::Require;

ResNetConfig EncoderOf(const CissNetConfig& config) {
  ResNetConfig encoder = config.encoder;
  encoder.stages = config.stage;
  return encoder;
}

// Channels of X as Decode finds it.
int64_t FeaturesOf(const CissNetConfig& config) {
  Require(config.stage >= 1 && config.stage <= 4, "CissNet", "stage is ", config.stage, " but must be 1 to 4");
  return config.encoder.OutputChannels()[config.stage - 1] + config.extra_latent_channels;
}

nn::GroupNorm Norm(int64_t channels, int64_t group_channels) {
  Require(group_channels >= 1 && channels % group_channels == 0, "CissNet", channels, " channels are no multiple of ",
          group_channels, " channels a group");
  return nn::GroupNorm(channels / group_channels, channels);
}

// 3×3, without bias.
nn::Conv2d Convolution(int64_t inputs, int64_t outputs, RandomKey key) {
  return nn::Conv2d(inputs, outputs, 3, {.padding = 1, .bias = false}, key);
}

// 3×3, with bias.
nn::Conv2d LastLayer(int64_t inputs, int64_t outputs, RandomKey key) {
  return nn::Conv2d(inputs, outputs, 3, {.padding = 1}, key);
}

// A part of a convolution over `inputs` channels in all: its initial weights are as large as the whole's.
nn::Conv2d PartOfConvolution(int64_t part, int64_t inputs, int64_t outputs, RandomKey key) {
  const double share = static_cast<double>(inputs) / static_cast<double>(part);
  const nn::Initializer of_whole = [share](const autograd::Shape& shape, const nn::Fans& fans, RandomKey weight_key) {
    return nn::FanInUniform()(shape, {fans.in * share, fans.out}, weight_key);
  };
  return nn::Conv2d(part, outputs, 3, {.padding = 1, .bias = false, .weight_initializer = of_whole}, key);
}

LabelEncoderConfig LabelEncoderOf(const CissNetConfig& config, int64_t values) {
  return {.values = values,
          .width = config.label_width,
          .branch_width = config.label_branch_width,
          .group_channels = config.group_channels,
          .compute = config.compute};
}

// Additions would repeat a map of one pixel.
void RequireOnGrid(const char* operation, const Variable& x, const Array& map) {
  autograd::Dims(operation).Match(x, "x: n h w _").Match(map, "map: n h w");
}

ContextTrunk::Config TrunkOf(int64_t features, const CissNetConfig& config) {
  return {.features = features,
          .encoded = config.label_width,
          .width = config.trunk_width,
          .group_channels = config.group_channels,
          .dropout = config.dropout};
}

}  // namespace

int64_t CissNetConfig::size_multiple() const { return EncoderOf(*this).size_multiple(); }

int64_t CissNetConfig::smallest_extent() const { return LabelEncoderOf(*this, classes).smallest_extent(); }

ContextTrunk::ContextTrunk(const Config& config, RandomKey key)
    : dropout(config.dropout),
      from_features(
          PartOfConvolution(config.features, config.features + config.encoded, config.width, key.Split("features"))),
      from_encoded(
          PartOfConvolution(config.encoded, config.features + config.encoded, config.width, key.Split("encoded"))) {
  for (uint64_t i = 0; i < 3; ++i)
    convolutions.push_back(Convolution(config.width, config.width, key.Split("convolutions").Split(i)));
  for (int i = 0; i < 4; ++i) norms.push_back(Norm(config.width, config.group_channels));
}

Variable ContextTrunk::ReadFeatures(const Variable& x) { return from_features(x); }

Variable ContextTrunk::operator()(const Variable& features_part, const Variable& encoded, const nn::Context& context) {
  Variable y = norms[0](features_part + from_encoded(encoded), /*relu=*/true);
  for (size_t i = 0; i < convolutions.size(); ++i) y = norms[i + 1](convolutions[i](y), /*relu=*/true);
  return nn::Dropout{dropout}(y, context);
}

void ContextTrunk::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("conv1.features", from_features);
  visitor.Field("conv1.encoded", from_encoded);
  visitor.Field("norm1", norms[0]);
  for (size_t i = 0; i < convolutions.size(); ++i) {
    visitor.Field(absl::StrCat("conv", i + 2), convolutions[i]);
    visitor.Field(absl::StrCat("norm", i + 2), norms[i + 1]);
  }
}

CissNet::BaseNet::BaseNet(int64_t features, const CissNetConfig& config, RandomKey key)
    : dropout(config.dropout),
      conv1(Convolution(features, config.base_width, key.Split("conv1"))),
      norm1(Norm(config.base_width, config.group_channels)),
      conv2(Convolution(config.base_width, config.base_width, key.Split("conv2"))),
      norm2(Norm(config.base_width, config.group_channels)),
      classifier(config.base_width, config.classes, {.layout = nn::Layout::kPointwiseConv2d}, key.Split("classifier")) {
}

Variable CissNet::BaseNet::operator()(const Variable& x, const nn::Context& context) {
  const Variable y = norm2(conv2(norm1(conv1(x), /*relu=*/true)), /*relu=*/true);
  return classifier(nn::Dropout{dropout}(y, context));
}

void CissNet::BaseNet::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("conv1", conv1);
  visitor.Field("norm1", norm1);
  visitor.Field("conv2", conv2);
  visitor.Field("norm2", norm2);
  visitor.Field("classifier", classifier);
}

CissNet::BiasNet::BiasNet(int64_t features, const CissNetConfig& config, RandomKey key)
    : encoder(LabelEncoderOf(config, config.classes + 1), key.Split("encoder")),
      trunk(TrunkOf(features, config), key.Split("trunk")),
      classifier(LastLayer(config.trunk_width, config.classes, key.Split("classifier"))) {}

void CissNet::BiasNet::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("encoder", encoder);
  visitor.Field("trunk", trunk);
  visitor.Field("classifier", classifier);
}

CissNet::ContextNet::ContextNet(int64_t features, const CissNetConfig& config, RandomKey key)
    : encoder(LabelEncoderOf(config, config.classes), key.Split("encoder")),
      trunk(TrunkOf(features, config), key.Split("trunk")),
      policy(LastLayer(config.trunk_width, 2, key.Split("policy"))),
      value(LastLayer(config.trunk_width, 1, key.Split("value"))) {}

void CissNet::ContextNet::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("encoder", encoder);
  visitor.Field("trunk", trunk);
  visitor.Field("policy", policy);
  visitor.Field("value", value);
}

CissNet::CissNet(const CissNetConfig& given, RandomKey key)
    : config(given),
      backbone(EncoderOf(given), key.Split("backbone")),
      base_net(FeaturesOf(given), given, key.Split("base")),
      bias_net(FeaturesOf(given), given, key.Split("bias")),
      context_net(FeaturesOf(given), given, key.Split("context")) {
  Require(config.classes >= 1 && config.classes <= 254, "CissNet", config.classes, " classes, not 1 to 254");
  nn::SetTrainable(backbone, config.train_features);
}

Features CissNet::Encode(const Variable& images, const nn::Context& context) {
  const auto taps_of = [&](const nn::Context& own) {
    const std::array<Variable, 4> taps = backbone(Cast(images, config.compute), own);
    return Features(taps.begin(), taps.begin() + config.stage);
  };
  if (config.train_features) return taps_of(context.Split("backbone"));
  const autograd::PauseTape constant;
  return taps_of({});
}

CissNet::Domain CissNet::Read(const Variable& x, const nn::Context& context) {
  return {.x = x,
          .base = Cast(base_net(x, context.Split("base")), kFloat32),
          .bias_part = bias_net.trunk.ReadFeatures(x),
          .context_part = context_net.trunk.ReadFeatures(x)};
}

Variable CissNet::Segment(const Domain& domain, const Array& context_map, const nn::Context& context) {
  RequireOnGrid("CissNet::Segment", domain.x, context_map);
  const nn::Context own = context.Split("bias");
  const Variable hidden = bias_net.trunk(domain.bias_part, bias_net.encoder(context_map, own), own);
  return domain.base + Cast(bias_net.classifier(hidden), kFloat32);
}

CissNet::Judgement CissNet::Judge(const Domain& domain, const Array& p_map, const nn::Context& context) {
  RequireOnGrid("CissNet::Judge", domain.x, p_map);
  const nn::Context own = context.Split("context");
  const Variable hidden = context_net.trunk(domain.context_part, context_net.encoder(p_map, own), own);
  const Variable values = Cast(context_net.value(hidden), kFloat32);
  const autograd::Shape& shape = values.shape();
  return {.policy = Cast(context_net.policy(hidden), kFloat32),
          .value = autograd::Reshape(values, {shape[0], shape[1], shape[2]})};
}

Array CissNet::Context(const Domain& domain, const Variable& logits, const ContextChoice& choice,
                       const nn::Context& context) {
  const autograd::PauseTape constant;
  const Array p_map = autograd::ArgMax(logits.array(), autograd::kUInt8);
  const Array policy = choice.rule == ContextRule::kAgent ? Judge(domain, p_map, context).policy.array()
                                                          : RulePolicy(choice, logits.array());
  std::optional<RandomKey> key;
  if (choice.draws()) key = context.key.Split("actions");
  return ContextMap(p_map, ContextActions(policy, key, context.first_sample));
}

Variable CissNet::Decode(const Features& features, const nn::Context& context) {
  Require(static_cast<int64_t>(features.size()) == config.stage, "CissNet", "decodes ", config.stage, " features, not ",
          features.size());
  const Domain domain = Read(features.back(), context);
  Variable logits = domain.base;
  for (int64_t step = 0; step < inference.steps; ++step) {
    const nn::Context own = context.Split("step").Split(static_cast<uint64_t>(step));
    const Array map = Context(domain, logits, inference.choice, own);
    // Nothing flows back through argmax and actions, so only the last logits need a past.
    std::optional<autograd::PauseTape> constant;
    if (step + 1 < inference.steps) constant.emplace();
    logits = Segment(domain, map, own);
  }
  return logits;
}

int64_t CissNet::LatentChannels(const CissNetConfig& config) {
  return FeaturesOf(config) - config.extra_latent_channels;
}

void CissNet::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("backbone", backbone);
  visitor.Field("base", base_net);
  visitor.Field("bias", bias_net);
  visitor.Field("context", context_net);
}

std::optional<NormExtent> CissNet::SmallestNorm(int64_t height, int64_t width) const {
  if (!config.train_features) return std::nullopt;
  return NormExtent{backbone.LastTapPixels(height, width), "last stage"};
}

absl::StatusOr<CissNetConfig> ConfigureCissNet(absl::string_view size, int64_t classes) {
  absl::StatusOr<ResNetConfig> encoder = ConfigureResNet(size);
  if (!encoder.ok()) return encoder.status();
  CissNetConfig config;
  config.classes = classes;
  config.encoder = *std::move(encoder);
  config.encoder.output_stride = 8;
  if (size == "micro") {
    config.encoder.output_stride = 4;
    config.stage = 2;
    config.base_width = config.trunk_width = config.label_width = 32;
    config.label_branch_width = 16;
  }
  return config;
}

}  // namespace seg
