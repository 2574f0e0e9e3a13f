#include "seg/models/latent_policy.h"

#include <algorithm>

#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/pooling.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/transpose.h"
#include "nn/initializers/initializers.h"
#include "nn/layers/linear.h"

namespace seg {
namespace {

nn::Parameter Scaled(const autograd::Shape& shape, double fan_in, double scale, RandomKey key) {
  return nn::Parameter(
      autograd::Scale(Variable(nn::FanInUniform()(shape, {.in = fan_in, .out = 1}, key)), scale).array());
}

}  // namespace

LatentPolicy::ChannelMaps::ChannelMaps(int64_t bins, int64_t channels, double scale, RandomKey key)
    : weight(Scaled(autograd::Shape({bins, channels}), static_cast<double>(bins), scale, key.Split("weight"))),
      bias(Scaled(autograd::Shape({channels}), static_cast<double>(bins), scale, key.Split("bias"))) {}

Variable LatentPolicy::ChannelMaps::operator()(const Variable& descriptor) {
  return autograd::Sum(descriptor * nn::InTypeOf(descriptor, weight), {1}) + nn::InTypeOf(descriptor, bias);
}

void LatentPolicy::ChannelMaps::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("weight", weight);
  visitor.Field("bias", bias);
}

LatentPolicy::LatentPolicy(int64_t channels, const LatentPolicyConfig& given, RandomKey key)
    : config(given),
      mean(given.pool_height * given.pool_width, channels, given.map_scale, key.Split("mean")),
      log_deviation(given.pool_height * given.pool_width, channels, given.map_scale, key.Split("log_deviation")) {
  autograd::Require(config.blocks >= 1 && config.pool_height >= 1 && config.pool_width >= 1 && config.width >= 0,
                    "LatentPolicy", "needs blocks and bins, not ", config.blocks, " and ", config.pool_height, "×",
                    config.pool_width);
  const int64_t width = config.width == 0 ? channels : std::min(config.width, channels);
  int64_t inputs = channels;
  for (int64_t i = 0; i < config.blocks; ++i) {
    const int64_t outputs = i + 1 == config.blocks ? channels : width;
    blocks.emplace_back(inputs, outputs, 3, nn::ConvNormActOptions{},
                        key.Split("blocks").Split(static_cast<uint64_t>(i)));
    inputs = outputs;
  }
}

LatentDistribution LatentPolicy::operator()(const Variable& z, const nn::Context& context) {
  autograd::Dims dims("LatentPolicy");
  dims.Match(z, "z: n h w d");
  autograd::Require(dims["d"] == mean.bias.shape()[0], "LatentPolicy", "z ", z.shape(), " for a policy over ",
                    mean.bias.shape()[0], " channels");
  Variable x = z;
  for (nn::ConvNormAct& block : blocks) x = block(x, context);
  const int64_t bins = config.pool_height * config.pool_width;
  Variable descriptor = autograd::Reshape(autograd::AdaptiveAveragePool2d(x, config.pool_height, config.pool_width),
                                          {dims["n"], bins, dims["d"]});
  if (descriptor.dtype() == autograd::kBFloat16) descriptor = autograd::Cast(descriptor, autograd::kFloat32);
  Variable spread = log_deviation(descriptor);
  if (config.bounded) spread = kLargestLogDeviation * autograd::Tanh(spread);
  return {mean(descriptor), spread};
}

void LatentPolicy::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("blocks", blocks);
  visitor.Field("mean", mean);
  visitor.Field("log_deviation", log_deviation);
}

}  // namespace seg
