#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "seg/encoders/resnet.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/deeplabv3.h"
#include "seg/models/fcn.h"
#include "seg/models/pspnet.h"
#include "seg/models/semantic_fpn.h"
#include "tests/golden/comparison.h"
#include "tests/golden/step_comparison.h"

namespace golden {
namespace {

// A batch norm sees the bias of the one before only through padding: its gradient is what is left of terms that cancel.
constexpr double kCancelling = 0.1;

using autograd::Array;
using autograd::Variable;

const std::vector<std::string> kEncoderParts = {"conv1.", "bn1.", "stem.", "layer"},
                               kNetworkParts = {"backbone.", "classifier.", "aux_classifier."};

nn::BatchNormOptions NormOptions(const File& file) {
  return {.epsilon = NumberOf(file, "norm_eps"), .momentum = NumberOf(file, "norm_momentum")};
}

seg::ResNetConfig EncoderConfig(const File& file, const std::string& prefix) {
  seg::ResNetConfig config;
  for (int s = 0; s < 4; ++s) {
    const std::string blocks = absl::StrCat(prefix, "layer", s + 1, ".");
    config.widths[s] = file.Shape(absl::StrCat(blocks, "0.conv2.weight"))[0];
    config.depths[s] = 0;
    while (file.Has(absl::StrCat(blocks, config.depths[s], ".conv2.weight"))) ++config.depths[s];
  }
  const bool deep = file.Has(prefix + "stem.6.weight");
  config.stem = deep ? seg::ResNetStem::kDeep : seg::ResNetStem::kSingle;
  config.stem_width = file.Shape(prefix + (deep ? "stem.6.weight" : "conv1.weight"))[0];
  config.output_stride = static_cast<int64_t>(NumberOf(file, "output_stride"));
  config.contract_dilation = file.Metadata("contract_dilation") != "False";
  config.multi_grid = IntegersOf(file, "multi_grid");
  config.norm = NormOptions(file);
  return config;
}

// What all heads have in common, without dropout.
template <typename Config>
void ReadCommon(const File& file, Config& config) {
  config.classes = file.Shape("classifier.4.weight")[0];
  config.encoder = EncoderConfig(file, "backbone.");
  config.auxiliary = true;
  config.auxiliary_head = {.width = file.Shape("aux_classifier.0.weight")[0], .dropout = 0, .norm = NormOptions(file)};
}

bool IsDeepLab(const File& file) { return file.Has("classifier.0.project.0.weight"); }
bool IsPspNet(const File& file) { return file.Has("classifier.psp_modules.0.1.conv.weight"); }

seg::DeepLabV3Config DeepLabConfig(const File& file) {
  seg::DeepLabV3Config config;
  ReadCommon(file, config);
  config.head.aspp = {.width = file.Shape("classifier.0.project.0.weight")[0],
                      .rates = IntegersOf(file, "rates"),
                      .norm = NormOptions(file)};
  config.head.projection_dropout = 0;
  return config;
}

seg::FcnConfig FcnConfig(const File& file) {
  seg::FcnConfig config;
  ReadCommon(file, config);
  config.head = {.width = file.Shape("classifier.0.weight")[0], .dropout = 0, .norm = NormOptions(file)};
  while (file.Has(absl::StrCat("classifier.convs.", config.head.convolutions, ".conv.weight")))
    ++config.head.convolutions;
  return config;
}

seg::PspNetConfig PspNetConfig(const File& file) {
  seg::PspNetConfig config;
  ReadCommon(file, config);
  config.head = {.width = file.Shape("classifier.0.weight")[0],
                 .align_corners = file.Metadata("align_corners") == "True",
                 .dropout = 0,
                 .norm = NormOptions(file)};
  return config;
}

seg::ResNetSemanticFpnConfig SemanticFpnNetworkConfig(const File& file) {
  seg::ResNetSemanticFpnConfig config;
  config.classes = file.Shape("decoder.classifier.weight")[0];
  config.encoder = EncoderConfig(file, "encoder.");
  config.decoder = SemanticFpnConfigOf(file);
  config.decoder.norm = {.epsilon = NumberOf(file, "decoder_norm_eps"),
                         .momentum = NumberOf(file, "decoder_norm_momentum")};
  return config;
}

template <typename Network, typename Config>
std::vector<Difference> CompareSegmentor(const File& file, Config config, const Arithmetic& arithmetic) {
  config.compute = arithmetic.compute;
  Comparison<Network> comparison(file, kNetworkParts, config, arithmetic);
  Network& network = comparison.network;
  const Array input = Prepared(file.Read("input"), arithmetic, "input"), label = file.Read("label");
  const seg::Features features = network.Encode(input, {});
  for (int s = 0; s < 4; ++s) {
    const std::string stage = absl::StrCat("evaluation.stage", s);
    if (file.Has(stage)) comparison.Append(stage, features[s]);
  }
  const auto loss_of = [&](const Variable& logits, const Variable& auxiliary) {
    return seg::SegmentationLoss(logits, label) + 0.5 * seg::SegmentationLoss(auxiliary, label);
  };
  const Variable evaluated = network.Decode(features, {}), evaluated_auxiliary = network.Auxiliary(features, {}).at(0);
  comparison.Append("evaluation.logits", evaluated);
  comparison.Append("evaluation.auxiliary", evaluated_auxiliary);
  comparison.Append("evaluation.loss", loss_of(evaluated, evaluated_auxiliary));

  autograd::Tape tape;
  const nn::Context context = nn::Context::Training(autograd::RandomKey(4));
  const seg::Features training = network.Encode(input, context);
  const Variable logits = network.Decode(training, context), auxiliary = network.Auxiliary(training, context).at(0);
  comparison.Append("train.logits", logits);
  comparison.Append("train.auxiliary", auxiliary);
  const Variable loss = loss_of(logits, auxiliary);
  comparison.Append("train.loss", loss);
  tape.Backward(loss);
  comparison.AppendStep(kCancelling);
  return std::move(comparison.differences);
}

template <typename Network, typename Config>
void SaveSegmentor(const File& file, const Config& config, const std::string& folder) {
  Network network(config, kOurs);
  Perturb(network);
  const Array input = file.Read("input");
  const nn::Context context = nn::Context::Training(kOurs);
  const seg::Features training = network.Encode(input, context);
  network.Decode(training, context);
  network.Auxiliary(training, context);
  const seg::Features features = network.Encode(input, {});
  SaveNetwork(
      folder, network,
      {{"logits", network.Decode(features, {}).array()}, {"auxiliary", network.Auxiliary(features, {}).at(0).array()}});
}

}  // namespace

std::vector<Difference> CompareResNet(const File& file, const Arithmetic& arithmetic) {
  Comparison<seg::ResNet> comparison(file, kEncoderParts, EncoderConfig(file, ""), arithmetic);
  seg::ResNet& encoder = comparison.network;
  const Array images = Prepared(file.Read("input"), arithmetic, "input");
  const std::array<Variable, 4> evaluated = encoder(images, {});
  for (int s = 0; s < 4; ++s) comparison.Append(absl::StrCat("evaluation.stage", s), evaluated[s]);

  autograd::Tape tape;
  const Variable input = tape.Watch(images);
  const std::array<Variable, 4> stages = encoder(input, nn::Context::Training(autograd::RandomKey(4)));
  Variable loss;
  for (int s = 0; s < 4; ++s) {
    comparison.Append(absl::StrCat("train.stage", s), stages[s]);
    const std::string direction = absl::StrCat("direction.stage", s);
    const Variable part = autograd::Mean(stages[s] * Prepared(file.Read(direction), arithmetic, direction));
    loss = loss.defined() ? loss + part : part;
  }
  comparison.Append("train.loss", loss);
  tape.Backward(loss);
  comparison.Append("gradient.input", tape.Gradient(input));
  comparison.AppendStep(kCancelling);
  return std::move(comparison.differences);
}

std::vector<Difference> CompareResNetSegmentor(const File& file, const Arithmetic& arithmetic) {
  if (IsDeepLab(file)) return CompareSegmentor<seg::DeepLabV3>(file, DeepLabConfig(file), arithmetic);
  if (IsPspNet(file)) return CompareSegmentor<seg::PspNet>(file, PspNetConfig(file), arithmetic);
  return CompareSegmentor<seg::Fcn>(file, FcnConfig(file), arithmetic);
}

std::vector<Difference> CompareSemanticFpn(const File& file, const Arithmetic& arithmetic) {
  return CompareSemanticFpnSegmentor<seg::ResNetSemanticFpn>(file, SemanticFpnNetworkConfig(file), arithmetic,
                                                             kCancelling);
}

void SaveResNet(const File& file, const std::string& folder) {
  seg::ResNet encoder(EncoderConfig(file, ""), kOurs);
  Perturb(encoder);
  const Array input = file.Read("input");
  encoder(input, nn::Context::Training(kOurs));
  std::vector<std::pair<std::string, Array>> outputs;
  for (const Variable& stage : encoder(input, {}))
    outputs.emplace_back(absl::StrCat("stage", outputs.size()), stage.array());
  SaveNetwork(folder, encoder, std::move(outputs));
}

void SaveResNetSegmentor(const File& file, const std::string& folder) {
  if (IsDeepLab(file)) {
    SaveSegmentor<seg::DeepLabV3>(file, DeepLabConfig(file), folder);
  } else if (IsPspNet(file)) {
    SaveSegmentor<seg::PspNet>(file, PspNetConfig(file), folder);
  } else {
    SaveSegmentor<seg::Fcn>(file, FcnConfig(file), folder);
  }
}

void SaveSemanticFpn(const File& file, const std::string& folder) {
  SaveLogits<seg::ResNetSemanticFpn>(file, SemanticFpnNetworkConfig(file), folder);
}

}  // namespace golden
