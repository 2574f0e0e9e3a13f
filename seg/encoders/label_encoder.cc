#include "seg/encoders/label_encoder.h"

#include <algorithm>

#include "autograd/core/dims.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/pooling.h"
#include "autograd/ops/resize.h"

namespace seg {
namespace {

int64_t Concatenated(const LabelEncoderConfig& config) {
  return config.values + static_cast<int64_t>(config.bins.size()) * config.branch_width;
}

}  // namespace

LabelEncoder::LabelEncoder(const LabelEncoderConfig& given, RandomKey key)
    : config(given),
      projection(Concatenated(given), given.width, {.layout = nn::Layout::kPointwiseConv2d}, key.Split("projection")) {
  autograd::Require(config.values >= 1 && config.values <= 256, "LabelEncoder", config.values, " values in a byte");
  autograd::Require(config.group_channels >= 1 && config.branch_width % config.group_channels == 0, "LabelEncoder",
                    "branch_width ", config.branch_width, " is no multiple of ", config.group_channels,
                    " channels a group");
  for (size_t i = 0; i < config.bins.size(); ++i) {
    branches.push_back(
        {nn::Linear(config.values, config.branch_width, {.bias = false, .layout = nn::Layout::kPointwiseConv2d},
                    key.Split("branches").Split(i)),
         nn::GroupNorm(config.branch_width / config.group_channels, config.branch_width)});
  }
}

Variable LabelEncoder::operator()(const Array& labels, const nn::Context& /*context*/) {
  autograd::Dims dims("LabelEncoder");
  dims.Match(labels, "labels: n h w").Is(labels, autograd::kUInt8, "labels");
  const Variable map = autograd::OneHot(labels, config.values, config.compute);
  std::vector<Variable> levels{map};
  for (size_t i = 0; i < branches.size(); ++i) {
    const Variable pooled = autograd::AdaptiveAveragePool2d(map, config.bins[i], config.bins[i]);
    const Variable level = branches[i].norm(branches[i].conv(pooled), /*relu=*/true);
    levels.push_back(autograd::ResizeBilinear(level, dims["h"], dims["w"]));
  }
  return projection(autograd::Concatenate(levels, -1));
}

void LabelEncoder::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("branches", branches);
  visitor.Field("projection", projection);
}

void LabelEncoder::Branch::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("conv", conv);
  visitor.Field("norm", norm);
}

int64_t LabelEncoderConfig::smallest_extent() const { return *std::max_element(bins.begin(), bins.end()); }

}  // namespace seg
