#include "seg/encoders/vit.h"

#include <algorithm>
#include <list>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "autograd/runtime/error.h"
#include "nn/checkpoints/prefixes.h"

namespace seg {

absl::StatusOr<ViTConfig> ConfigureViT(absl::string_view name) {
  ViTConfig config;
  if (name == "vit_base_patch16") return config;
  if (name == "vit_large_patch16") {
    config.width = 1024;
    config.depth = 24;
    config.heads = 16;
    return config;
  }
  if (name == "micro") {
    config.patch = 8;
    config.width = 64;
    config.depth = 4;
    config.heads = 2;
    config.image_size = 64;
    config.drop_path = 0;
    return config;
  }
  return absl::NotFoundError(
      absl::StrCat("no ViT is called '", name, "': there are micro, vit_base_patch16 and vit_large_patch16"));
}

ViT::ViT(const ViTConfig& given, RandomKey key)
    : config(given),
      tokens({.patch = given.patch,
              .width = given.width,
              .image_size = given.image_size,
              .position_filter = given.position_filter,
              .bias = given.patch_bias},
             key.Split("tokens")) {
  for (int64_t tap : config.taps)
    autograd::Require(tap >= 0 && tap < config.depth, "ViT", "no block ", tap, " among ", config.depth);
  for (int64_t i = 0; i < config.depth; ++i) {
    blocks.emplace_back(config.width,
                        nn::TransformerBlockOptions{.heads = config.heads,
                                                    .epsilon = config.epsilon,
                                                    .drop_path = nn::DropPathRate(config.drop_path, i, config.depth)},
                        key.Split("blocks").Split(i));
  }
  if (config.final_norm) norm.emplace(config.width, config.epsilon);
}

TransformerFeatures ViT::operator()(const Variable& images, const nn::Context& context) {
  TransformerFeatures features =
      RunBlocks(tokens(images), config.depth, config.taps, config.checkpoint_blocks,
                [this, context](int64_t i, const Variable& x) { return blocks[i](x, context.Split(i)); });
  if (norm.has_value()) features.map = (*norm)(features.map);
  return features;
}

void ViT::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("", tokens);
  visitor.Field("blocks", blocks);
  visitor.Field("norm", norm);
}

std::string TransformerBlockTimmName(absl::string_view part) {
  static constexpr std::pair<const char*, const char*> kParts[] = {{"ln1.", "norm1."},
                                                                   {"ln2.", "norm2."},
                                                                   {"attn.attn.in_proj_", "attn.qkv."},
                                                                   {"attn.attn.out_proj.", "attn.proj."},
                                                                   {"ffn.layers.0.0.", "mlp.fc1."},
                                                                   {"ffn.layers.1.", "mlp.fc2."},
                                                                   {"layernorm_before.", "norm1."},
                                                                   {"layernorm_after.", "norm2."},
                                                                   {"attention.attention.query.", "attn.q_proj."},
                                                                   {"attention.attention.key.", "attn.k_proj."},
                                                                   {"attention.attention.value.", "attn.v_proj."},
                                                                   {"attention.output.dense.", "attn.proj."},
                                                                   {"intermediate.dense.", "mlp.fc1."},
                                                                   {"output.dense.", "mlp.fc2."}};
  for (const auto& [from, to] : kParts) {
    if (absl::ConsumePrefix(&part, from)) return absl::StrCat(to, part);
  }
  return std::string(part);
}

std::string ViTTimmName(const std::string& name) {
  absl::string_view rest = name;
  nn::DropPrefixes({"module.", "model.", "backbone.", "backbone_net."}, rest);
  if (absl::ConsumePrefix(&rest, "vit.")) {
    if (absl::ConsumePrefix(&rest, "embeddings.patch_embeddings.projection."))
      return absl::StrCat("patch_embed.proj.", rest);
    if (rest == "embeddings.cls_token") return "cls_token";
    if (rest == "embeddings.position_embeddings") return "pos_embed";
    if (absl::ConsumePrefix(&rest, "layernorm.")) return absl::StrCat("norm.", rest);
  }
  absl::ConsumePrefix(&rest, "encoder.");
  if (nn::BeginsWithAny(
          rest, {"head.", "head_dist.", "pre_logits.", "fc_norm.", "classifier.", "pooler.", "embeddings.",
                 "mask_token", "decoder", "decode_head.", "auxiliary_head.", "auxiliary_decoders.", "norm_layers."}))
    return "";
  if (absl::ConsumePrefix(&rest, "patch_embed.projection.")) return absl::StrCat("patch_embed.proj.", rest);
  if (absl::ConsumePrefix(&rest, "ln1.")) return absl::StrCat("norm.", rest);
  if (absl::ConsumePrefix(&rest, "layers.") || absl::ConsumePrefix(&rest, "layer.")) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(rest, absl::MaxSplits('.', 1));
    return absl::StrCat("blocks.", parts.first, ".", TransformerBlockTimmName(parts.second));
  }
  return std::string(rest);
}

absl::StatusOr<nn::LoadReport> LoadViT(const std::string& path, ViT& encoder) {
  std::list<nn::SplitProjections> split;
  {
    const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
    if (!file.ok()) return file.status();
    const bool three_matrices =
        std::any_of(file->tensors().begin(), file->tensors().end(),
                    [](const nn::TensorInfo& tensor) { return absl::EndsWith(tensor.name, ".query.weight"); });
    for (size_t i = 0; three_matrices && i < encoder.blocks.size(); ++i)
      split.emplace_back(encoder.blocks[i].attention);
  }
  const auto rename = [final_norm = encoder.norm.has_value(),
                       bias = encoder.tokens.projection.bias.defined()](const std::string& name) -> std::string {
    std::string timm = ViTTimmName(name);
    if (!final_norm && absl::StartsWith(timm, "norm.")) return "";
    if (!bias && timm == "patch_embed.proj.bias") return "";
    return timm;
  };
  return LoadPatchWeights(path, encoder, encoder.tokens, {.rename = rename});
}

}  // namespace seg
