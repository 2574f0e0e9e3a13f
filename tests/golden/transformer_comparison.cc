#include <utility>

#include "absl/strings/str_cat.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "seg/encoders/eva02.h"
#include "seg/encoders/vit.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/segmenter.h"
#include "seg/models/setr.h"
#include "tests/golden/comparison.h"
#include "tests/golden/step_comparison.h"

namespace golden {
namespace {

using autograd::Array;
using autograd::Variable;

const std::vector<std::string> kEncoderParts = {"cls_token", "pos_embed", "patch_embed.", "blocks.", "norm."},
                               kNetworkParts = {"encoder.", "decoder."},
                               kSetrParts = {"encoder.", "decode_head.", "auxiliary_head."};

// A batch norm takes the bias before it out again: its gradient is what is left of terms that cancel.
constexpr double kCancelling = 0.1;

// What ViTConfig and Eva02Config have in common.
template <typename Config>
Config EncoderConfig(const File& file, const std::string& prefix) {
  Config config;
  const std::vector<int64_t>& kernel = file.Shape(absl::StrCat(prefix, "patch_embed.proj.weight"));
  config.width = kernel[0];
  config.patch = kernel[2];
  config.depth = 0;
  while (file.Has(absl::StrCat(prefix, "blocks.", config.depth, ".norm1.weight"))) ++config.depth;
  config.heads = static_cast<int64_t>(NumberOf(file, "heads"));
  const int64_t positions = file.Shape(absl::StrCat(prefix, "pos_embed"))[1] - 1;
  int64_t side = 1;
  while (side * side < positions) ++side;
  config.image_size = side * config.patch;
  config.drop_path = 0;
  config.taps = IntegersOf(file, "taps");
  return config;
}

seg::Eva02Config Eva02ConfigOf(const File& file) {
  seg::Eva02Config config = EncoderConfig<seg::Eva02Config>(file, "");
  config.reference_grid = NumberOf(file, "reference_grid");
  return config;
}

seg::SegmenterConfig SegmenterConfigOf(const File& file) {
  seg::SegmenterConfig config;
  config.encoder = EncoderConfig<seg::ViTConfig>(file, "encoder.");
  const std::vector<int64_t>& embedding = file.Shape("decoder.cls_emb");
  config.classes = embedding[1];
  config.mask_transformer.width = embedding[2];
  config.mask_transformer.depth = 0;
  while (file.Has(absl::StrCat("decoder.blocks.", config.mask_transformer.depth, ".norm1.weight")))
    ++config.mask_transformer.depth;
  config.mask_transformer.heads = static_cast<int64_t>(NumberOf(file, "decoder_heads"));
  config.mask_transformer.dropout = 0;
  config.mask_transformer.epsilon = NumberOf(file, "epsilon");
  return config;
}

seg::SetrConfig SetrConfigOf(const File& file) {
  seg::SetrConfig config;
  config.encoder = EncoderConfig<seg::ViTConfig>(file, "encoder.");
  config.encoder.final_norm = false;
  config.encoder.position_filter = seg::PositionFilter::kBilinear;
  config.classes = file.Shape("decode_head.conv_seg.weight")[0];
  const std::vector<int64_t>& kernel = file.Shape("decode_head.up_convs.0.0.conv.weight");
  config.head.width = kernel[0];
  config.head.kernel = kernel[2];
  while (file.Has(absl::StrCat("decode_head.up_convs.", config.head.convolutions, ".0.conv.weight")))
    ++config.head.convolutions;
  config.head.convolution_bias = file.Has("decode_head.up_convs.0.0.conv.bias");
  config.head.scale = static_cast<int64_t>(NumberOf(file, "scale"));
  config.head.norm = {.epsilon = NumberOf(file, "norm_eps"), .momentum = NumberOf(file, "norm_momentum")};
  config.auxiliary = true;
  config.auxiliary_head = config.head;
  return config;
}

// The logits of a SETR's heads, by name, for features of one pass.
std::vector<std::pair<std::string, Variable>> LogitsOf(seg::Setr& network, const seg::Features& features,
                                                       const nn::Context& context) {
  std::vector<std::pair<std::string, Variable>> logits{{"logits", network.Decode(features, context)}};
  for (const Variable& other : network.Auxiliary(features, context))
    logits.emplace_back(absl::StrCat("auxiliary", logits.size() - 1), other);
  return logits;
}

// Runs a pass over `images`, appends its logits, with `taps` its features, and its loss, and returns the loss.
Variable AppendSetrPass(Comparison<seg::Setr>& comparison, const std::string& prefix, const Variable& images,
                        const Array& label, const nn::Context& context, bool taps) {
  const seg::Features features = comparison.network.Encode(images, context);
  for (size_t i = 0; taps && i < features.size(); ++i) comparison.Append(absl::StrCat(prefix, "tap", i), features[i]);
  Variable loss;
  for (const auto& [name, logits] : LogitsOf(comparison.network, features, context)) {
    comparison.Append(prefix + name, logits);
    const Variable part = seg::SegmentationLoss(logits, label);
    loss = loss.defined() ? loss + 0.4 * part : part;
  }
  comparison.Append(prefix + "loss", loss);
  return loss;
}

std::vector<std::pair<std::string, Variable>> OutputsOf(const seg::TransformerFeatures& features) {
  std::vector<std::pair<std::string, Variable>> outputs;
  for (const Variable& tap : features.taps) outputs.emplace_back(absl::StrCat("tap", outputs.size()), tap);
  outputs.emplace_back("map", features.map);
  return outputs;
}

// Outputs, loss and the input's gradient of the tensors behind `prefix`; leaves the gradients in the encoder.
template <typename Encoder>
void AppendPass(const File& file, const Arithmetic& arithmetic, const std::string& prefix, Encoder& encoder,
                std::vector<Difference>& differences) {
  auto append = [&](const std::string& name, const Array& ours) {
    differences.push_back(Between(prefix + name, ours, file.Read(prefix + name)));
  };
  nn::ClearGradients(encoder);
  autograd::Tape tape;
  const Variable input = tape.Watch(Prepared(file.Read(prefix + "input"), arithmetic, prefix + "input"));
  Variable loss;
  for (const auto& [name, output] : OutputsOf(encoder(input, {}))) {
    append(name, output.array());
    const Variable part = 0.5 * autograd::Mean(autograd::Square(output));
    loss = loss.defined() ? loss + part : part;
  }
  append("loss", loss.array());
  tape.Backward(loss);
  append("gradient.input", tape.Gradient(input));
}

template <typename Encoder, typename Config>
std::vector<Difference> CompareEncoder(const File& file, const Arithmetic& arithmetic, const Config& config) {
  Encoder encoder(config, autograd::RandomKey(1));
  const size_t parameters = nn::NamedParameters(encoder).size();
  file.Load("", kEncoderParts, nn::ModuleReference(encoder), parameters);
  Prepare(encoder, arithmetic);
  std::vector<Difference> differences;
  AppendPass(file, arithmetic, "", encoder, differences);
  {
    Encoder gradients(config, autograd::RandomKey(2));
    file.Load("gradient.", kEncoderParts, nn::ModuleReference(gradients), parameters);
    AppendGradients(encoder, gradients, differences);
  }
  if (!file.Has("odd.input")) return differences;
  AppendPass(file, arithmetic, "odd.", encoder, differences);
  for (const nn::NamedParameter& named : nn::NamedParameters(encoder)) {
    const std::string name = absl::StrCat("odd.gradient.", named.name);
    if (file.Has(name)) differences.push_back(Between(name, named.parameter->gradient(), file.Read(name)));
  }
  return differences;
}

template <typename Encoder, typename Config>
void SaveEncoder(const File& file, const Config& config, const std::string& folder) {
  Encoder encoder(config, kOurs);
  std::vector<std::pair<std::string, Array>> outputs;
  for (const auto& [name, output] : OutputsOf(encoder(file.Read("input"), {})))
    outputs.emplace_back(name, output.array());
  SaveNetwork(folder, encoder, std::move(outputs));
}

}  // namespace

std::vector<Difference> CompareViT(const File& file, const Arithmetic& arithmetic) {
  return CompareEncoder<seg::ViT>(file, arithmetic, EncoderConfig<seg::ViTConfig>(file, ""));
}

std::vector<Difference> CompareEva02(const File& file, const Arithmetic& arithmetic) {
  return CompareEncoder<seg::Eva02>(file, arithmetic, Eva02ConfigOf(file));
}

std::vector<Difference> CompareSegmenter(const File& file, const Arithmetic& arithmetic) {
  seg::SegmenterConfig config = SegmenterConfigOf(file);
  config.compute = arithmetic.compute;
  seg::Segmenter network(config, autograd::RandomKey(1)), gradients(config, autograd::RandomKey(2));
  const size_t parameters = nn::NamedParameters(network).size();
  file.Load("", kNetworkParts, nn::ModuleReference(network), parameters);
  file.Load("gradient.", kNetworkParts, nn::ModuleReference(gradients), parameters);
  Prepare(network, arithmetic);
  // Masks are float32 in any arithmetic.
  Prepare(network.mask_transformer->mask_norm, {});

  std::vector<Difference> differences;
  for (const std::string prefix : {"", "odd."}) {
    auto append = [&](const std::string& name, const Array& ours) {
      differences.push_back(Between(prefix + name, ours, file.Read(prefix + name)));
    };
    const Array images = Prepared(file.Read(prefix + "input"), arithmetic, prefix + "input"),
                label = file.Read(prefix + "label");
    autograd::Tape tape;
    const Variable input = tape.Watch(images);
    const Variable logits = network(input, {});
    append("logits", logits.array());
    const Variable loss = seg::SegmentationLoss(
        seg::ResizeLogits(logits, network.size_multiple(), images.shape()[1], images.shape()[2]), label);
    append("loss", loss.array());
    tape.Backward(loss);
    append("gradient.input", tape.Gradient(input));
    if (prefix.empty()) AppendGradients(network, gradients, differences);
    nn::ClearGradients(network);
  }
  return differences;
}

std::vector<Difference> CompareSetr(const File& file, const Arithmetic& arithmetic) {
  seg::SetrConfig config = SetrConfigOf(file);
  config.compute = arithmetic.compute;
  Comparison<seg::Setr> comparison(file, kSetrParts, config, arithmetic);
  seg::Setr& network = comparison.network;
  const Array images = Prepared(file.Read("input"), arithmetic, "input"), label = file.Read("label");
  AppendSetrPass(comparison, "evaluation.", images, label, {}, /*taps=*/true);
  if (file.Has("odd.input")) {
    autograd::Tape tape;
    const Variable input = tape.Watch(Prepared(file.Read("odd.input"), arithmetic, "odd.input"));
    tape.Backward(AppendSetrPass(comparison, "odd.", input, file.Read("odd.label"), {}, /*taps=*/true));
    comparison.Append("odd.gradient.input", tape.Gradient(input));
    comparison.Append("odd.gradient.encoder.pos_embed", network.encoder.tokens.positions.gradient());
    nn::ClearGradients(network);
  }
  autograd::Tape tape;
  const Variable input = tape.Watch(images);
  const nn::Context training = nn::Context::Training(autograd::RandomKey(4));
  tape.Backward(AppendSetrPass(comparison, "train.", input, label, training, /*taps=*/false));
  comparison.Append("gradient.input", tape.Gradient(input));
  comparison.AppendStep(kCancelling);
  return std::move(comparison.differences);
}

void SaveViT(const File& file, const std::string& folder) {
  SaveEncoder<seg::ViT>(file, EncoderConfig<seg::ViTConfig>(file, ""), folder);
}

void SaveEva02(const File& file, const std::string& folder) {
  SaveEncoder<seg::Eva02>(file, Eva02ConfigOf(file), folder);
}

void SaveSegmenter(const File& file, const std::string& folder) {
  seg::Segmenter network(SegmenterConfigOf(file), kOurs);
  SaveNetwork(folder, network, {{"logits", network(file.Read("input"), {}).array()}});
}

void SaveSetr(const File& file, const std::string& folder) {
  seg::Setr network(SetrConfigOf(file), kOurs);
  Perturb(network);
  const Array input = file.Read("input");
  const nn::Context training = nn::Context::Training(kOurs);
  LogitsOf(network, network.Encode(input, training), training);  // moves the running statistics
  std::vector<std::pair<std::string, Array>> outputs;
  for (const auto& [name, logits] : LogitsOf(network, network.Encode(input, {}), {}))
    outputs.emplace_back(name, logits.array());
  SaveNetwork(folder, network, std::move(outputs));
}

}  // namespace golden
