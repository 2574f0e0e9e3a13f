#include "tests/golden/comparison.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/runtime/error.h"
#include "seg/encoders/convnext_v2.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/sfpnext.h"

namespace golden {
namespace {

using autograd::Array;
using autograd::Variable;

const std::vector<std::string> kEncoderParts = {"stem.", "stages."}, kNetworkParts = {"encoder.", "decoder."};

double Largest(const Array& array) {
  double largest = 0;
  for (float value : array.ToVector<float>()) largest = std::max(largest, std::abs(double{value}));
  return largest;
}

// Relative to the largest of `scale`, which is `expected` unless that is nothing but rounding.
Difference Between(const std::string& name, const Array& actual, const Array& expected, const Array& scale) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!(actual.shape() == expected.shape()) || actual.dtype() != expected.dtype()) return {name, kInfinity};
  if (actual.dtype() == autograd::kInt64) return {name, actual.Item() == expected.Item() ? 0 : kInfinity};
  const std::vector<float> ours = actual.ToVector<float>(), theirs = expected.ToVector<float>();
  double difference = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    if (!std::isfinite(ours[i])) return {name, kInfinity};
    difference = std::max(difference, std::abs(double{ours[i]} - double{theirs[i]}));
  }
  return {name, difference == 0 ? 0 : difference / Largest(scale)};
}
Difference Between(const std::string& name, const Array& actual, const Array& expected) {
  return Between(name, actual, expected, expected);
}

// Between the gradients that `network` holds and the values of `expected`, parameter by parameter.
template <typename Network>
void AppendGradients(Network& network, Network& expected, std::vector<Difference>& differences) {
  const std::vector<nn::NamedParameter> ours = nn::NamedParameters(network), theirs = nn::NamedParameters(expected);
  for (size_t i = 0; i < ours.size(); ++i) {
    // The gradient of the key's bias is 0, as softmax does not see it: its weight, one before, has the scale.
    const size_t scale = absl::EndsWith(ours[i].name, "attention.key.bias") ? i - 1 : i;
    differences.push_back(Between(absl::StrCat("gradient.", ours[i].name), ours[i].parameter->gradient(),
                                  theirs[i].parameter->value(), theirs[scale].parameter->value()));
  }
}

seg::ConvNeXtV2Config EncoderConfig(const File& file, const std::string& prefix) {
  seg::ConvNeXtV2Config config;
  config.drop_path = 0;
  for (int s = 0; s < 4; ++s) {
    const std::string blocks = absl::StrCat(prefix, "stages.", s, ".blocks.");
    config.dims[s] = file.Shape(absl::StrCat(blocks, "0.conv_dw.weight"))[0];
    config.depths[s] = 0;
    while (file.Has(absl::StrCat(blocks, config.depths[s], ".conv_dw.weight"))) ++config.depths[s];
  }
  const bool matrices = file.Shape(absl::StrCat(prefix, "stages.0.blocks.0.mlp.fc1.weight")).size() == 2;
  config.mlp_layout = matrices ? nn::Layout::kLinear : nn::Layout::kPointwiseConv2d;
  return config;
}

double NumberOf(const File& file, const std::string& entry) {
  double value = 0;
  autograd::Require(absl::SimpleAtod(file.Metadata(entry), &value), "golden::File", "metadata '", entry, "' is '",
                    file.Metadata(entry), "', not a number");
  return value;
}

seg::SFPNeXtConfig NetworkConfig(const File& file) {
  seg::SFPNeXtConfig config;
  config.encoder = EncoderConfig(file, "encoder.");
  config.classes = file.Shape("decoder.classifier.weight")[0];
  config.decoder.width = file.Shape("decoder.top.conv.weight")[0];
  config.decoder.pyramid_width = file.Shape("decoder.fuse.conv.weight")[0];
  config.decoder.attention_options.key_width = file.Shape("decoder.attention.key.weight")[0];
  config.decoder.attention_options.scale = file.Metadata("scale_attention") == "True";
  config.decoder.norm = {.epsilon = NumberOf(file, "norm_eps"), .momentum = NumberOf(file, "norm_momentum")};
  return config;
}

}  // namespace

std::vector<Difference> CompareConvNeXtV2(const File& file) {
  const seg::ConvNeXtV2Config config = EncoderConfig(file, "");
  seg::ConvNeXtV2 encoder(config, autograd::RandomKey(1)), gradients(config, autograd::RandomKey(2));
  const size_t parameters = nn::NamedParameters(encoder).size();
  file.Load("", kEncoderParts, nn::ModuleReference(encoder), parameters);
  file.Load("gradient.", kEncoderParts, nn::ModuleReference(gradients), parameters);

  std::vector<Difference> differences;
  autograd::Tape tape;
  const Variable input = tape.Watch(file.Read("input"));
  const std::array<Variable, 4> stages = encoder(input, {});
  Variable loss;
  for (int s = 0; s < 4; ++s) {
    const std::string name = absl::StrCat("stage", s);
    differences.push_back(Between(name, stages[s].array(), file.Read(name)));
    const Variable part = 0.5 * autograd::Mean(autograd::Square(stages[s]));
    loss = loss.defined() ? loss + part : part;
  }
  differences.push_back(Between("loss", loss.array(), file.Read("loss")));
  tape.Backward(loss);
  differences.push_back(Between("gradient.input", tape.Gradient(input), file.Read("gradient.input")));
  AppendGradients(encoder, gradients, differences);
  return differences;
}

std::vector<Difference> CompareSFPNeXt(const File& file) {
  const seg::SFPNeXtConfig config = NetworkConfig(file);
  seg::SFPNeXt network(config, autograd::RandomKey(1)), gradients(config, autograd::RandomKey(2)),
      updated(config, autograd::RandomKey(3));
  const size_t parameters = nn::NamedParameters(network).size(), buffers = nn::NamedBuffers(network).size();
  file.Load("", kNetworkParts, nn::ModuleReference(network), parameters + buffers);
  file.Load("gradient.", kNetworkParts, nn::ModuleReference(gradients), parameters);
  file.Load("updated.", kNetworkParts, nn::ModuleReference(updated), buffers);

  std::vector<Difference> differences;
  auto append = [&](const std::string& name, const Variable& ours) {
    differences.push_back(Between(name, ours.array(), file.Read(name)));
  };
  const Array input = file.Read("input"), label = file.Read("label");
  seg::SemanticFpnTrace trace;
  const Variable evaluated = network(input, {}, &trace);
  append("evaluation.top", trace.top);
  append("evaluation.attention", trace.attention);
  append("evaluation.pyramid2", trace.pyramid2);
  append("evaluation.fused", trace.fused);
  append("evaluation.logits", evaluated);
  append("evaluation.loss", seg::SegmentationLoss(evaluated, label));

  autograd::Tape tape;
  const Variable logits = network(input, nn::Context::Training(autograd::RandomKey(4)));
  append("train.logits", logits);
  const Variable loss = seg::SegmentationLoss(logits, label);
  append("train.loss", loss);
  tape.Backward(loss);
  AppendGradients(network, gradients, differences);
  const std::vector<nn::NamedBuffer> ours = nn::NamedBuffers(network), theirs = nn::NamedBuffers(updated);
  for (size_t i = 0; i < ours.size(); ++i)
    differences.push_back(Between(absl::StrCat("updated.", ours[i].name), *ours[i].array, *theirs[i].array));
  return differences;
}

std::vector<Difference> Compare(const File& file) {
  return file.Has("decoder.classifier.weight") ? CompareSFPNeXt(file) : CompareConvNeXtV2(file);
}

}  // namespace golden
