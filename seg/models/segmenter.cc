#include "seg/models/segmenter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/resize.h"
#include "autograd/ops/transpose.h"
#include "nn/checkpoints/prefixes.h"

namespace seg {

static_assert(Model<Segmenter>);

absl::StatusOr<SegmenterConfig> ConfigureSegmenter(absl::string_view encoder, int64_t classes) {
  SegmenterConfig config;
  config.classes = classes;
  if (absl::EndsWith(encoder, "micro")) {
    config.mask_transformer.heads = 2;
    config.mask_transformer.dropout = 0;
  }
  if (absl::ConsumePrefix(&encoder, "eva02_")) {
    const absl::StatusOr<Eva02Config> eva02 =
        ConfigureEva02(encoder == "micro" ? std::string(encoder) : absl::StrCat("eva02_", encoder));
    if (!eva02.ok()) return eva02.status();
    config.encoder = *eva02;
    return config;
  }
  const absl::StatusOr<ViTConfig> vit = ConfigureViT(encoder);
  if (!vit.ok()) return vit.status();
  config.encoder = *vit;
  return config;
}

Segmenter::Segmenter(const SegmenterConfig& given, RandomKey key) : config(given) {
  if (const ViTConfig* const vit_config = std::get_if<ViTConfig>(&config.encoder)) {
    vit.emplace(*vit_config, key.Split("encoder"));
  } else {
    eva02.emplace(std::get<Eva02Config>(config.encoder), key.Split("encoder"));
  }
  const int64_t inputs = LatentChannels(config) + config.extra_latent_channels;
  if (config.decoder == SegmenterConfig::Decoder::kLinear) {
    linear.emplace(inputs, config.classes, key.Split("decoder"));
  } else {
    MaskTransformerConfig decoder = config.mask_transformer;
    if (decoder.width == 0) decoder.width = LatentChannels(config);
    mask_transformer.emplace(inputs, config.classes, decoder, key.Split("decoder"));
  }
}

Features Segmenter::Encode(const Variable& images, const nn::Context& context) {
  const Variable x = autograd::Cast(images, config.compute);
  const nn::Context encoder_context = context.Split("encoder");
  TransformerFeatures encoded = vit.has_value() ? (*vit)(x, encoder_context) : (*eva02)(x, encoder_context);
  Features features = std::move(encoded.taps);
  features.push_back(std::move(encoded.map));
  return features;
}

Variable Segmenter::Decode(const Features& features, const nn::Context& context) {
  autograd::Require(features.size() == latent_tap() + 1, "Segmenter", "decodes ", latent_tap() + 1, " features, not ",
                    features.size());
  const Variable& map = features[latent_tap()];
  return linear.has_value() ? (*linear)(map) : (*mask_transformer)(map, context.Split("decoder"));
}

Variable Segmenter::operator()(const Variable& images, const nn::Context& context) {
  return Decode(Encode(images, context), context);
}

void Segmenter::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("encoder", vit);
  visitor.Field("encoder", eva02);
  visitor.Field("decoder", mask_transformer);
  visitor.Field("decoder", linear);
}

absl::StatusOr<nn::LoadReport> Segmenter::LoadEncoder(const std::string& path) {
  return vit.has_value() ? LoadViT(path, *vit) : LoadEva02(path, *eva02);
}

int64_t Segmenter::size_multiple() const {
  return std::visit([](const auto& encoder) { return encoder.patch; }, config.encoder);
}

size_t Segmenter::latent_tap() const {
  return std::visit([](const auto& encoder) { return encoder.taps.size(); }, config.encoder);
}

int64_t Segmenter::LatentChannels(const SegmenterConfig& config) {
  return std::visit([](const auto& encoder) { return encoder.width; }, config.encoder);
}

std::string Segmenter::last_layer() const { return linear.has_value() ? "decoder.head" : "decoder.mask_norm"; }

PatchTokens& Segmenter::patch_tokens() { return vit.has_value() ? vit->tokens : eva02->tokens; }

Variable ResizeLogits(const Variable& logits, int64_t patch, int64_t height, int64_t width) {
  autograd::Dims dims("ResizeLogits");
  dims.Match(logits, "logits: n h w k");
  const int64_t h = dims["h"] * patch, w = dims["w"] * patch;
  autograd::Require(height > h - patch && height <= h && width > w - patch && width <= w, dims.operation(), height, "×",
                    width, " pixels have not the ", dims["h"], "×", dims["w"], " patches of logits ", logits.shape());
  Variable resized = autograd::ResizeBilinear(logits, h, w);
  if (height < h) resized = autograd::Slice(resized, 1, 0, height);
  if (width < w) resized = autograd::Slice(resized, 2, 0, width);
  return resized;
}

namespace {

constexpr std::pair<const char*, const char*> kDecoderParts[] = {
    {"dec_proj.", "proj_dec."}, {"patch_proj.weight", "proj_patch"}, {"classes_proj.weight", "proj_classes"}};

std::string DecoderName(absl::string_view part) {
  if (absl::StartsWith(part, "conv_seg.")) return "";
  if (absl::ConsumePrefix(&part, "layers.")) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(part, absl::MaxSplits('.', 1));
    return absl::StrCat("decoder.blocks.", parts.first, ".", TransformerBlockTimmName(parts.second));
  }
  for (const auto& [from, to] : kDecoderParts) {
    if (absl::ConsumePrefix(&part, from)) return absl::StrCat("decoder.", to, part);
  }
  return absl::StrCat("decoder.", part);
}

}  // namespace

std::string SegmenterName(const std::string& name) {
  absl::string_view rest = name;
  nn::DropPrefixes({"module.", "model."}, rest);
  if (absl::ConsumePrefix(&rest, "decode_head.") || absl::ConsumePrefix(&rest, "decoder.")) return DecoderName(rest);
  if (absl::StartsWith(rest, "auxiliary_head.")) return "";
  // Names of one encoder are not touched by the other's rules, but for "fc_norm", which only EVA-02's files may keep.
  const std::string of_vit = absl::StrContains(rest, "fc_norm.") ? std::string(rest) : ViTTimmName(std::string(rest));
  const std::string encoder_name = of_vit.empty() ? "" : Eva02TimmName(of_vit);
  return encoder_name.empty() ? "" : absl::StrCat("encoder.", encoder_name);
}

absl::StatusOr<nn::LoadReport> LoadSegmenter(const std::string& path, Segmenter& model, bool strict) {
  bool transposed = false;
  {
    const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
    if (!file.ok()) return file.status();
    transposed = std::any_of(file->tensors().begin(), file->tensors().end(), [](const nn::TensorInfo& tensor) {
      return absl::EndsWith(tensor.name, "patch_proj.weight");
    });
  }
  absl::StatusOr<nn::LoadReport> report =
      LoadPatchWeights(path, model, model.patch_tokens(), {.strict = strict, .rename = SegmenterName});
  if (!report.ok() || !transposed || !model.mask_transformer.has_value()) return report;
  const std::array<std::pair<const char*, Parameter*>, 2> projections = {
      {{"decoder.proj_patch", &model.mask_transformer->proj_patch},
       {"decoder.proj_classes", &model.mask_transformer->proj_classes}}};
  const autograd::PauseTape pause;
  for (const auto& [name, projection] : projections) {
    if (std::find(report->loaded.begin(), report->loaded.end(), name) == report->loaded.end()) continue;
    const Variable turned = autograd::Transpose(projection->value(), "i o -> o i");
    projection->mutable_value().CopyFrom(turned.array());
    projection->Changed();
  }
  return report;
}

}  // namespace seg
