#include "seg/encoders/mit_names.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "autograd/runtime/error.h"

namespace seg {
namespace {

struct Part {
  const char* ours;
  const char* nvidia;
  const char* mmseg;
  bool pointwise_in_mmseg = false;  // a matrix here, a 1×1 convolution there
};

// Behind "block.i.j."
constexpr Part kBlock[] = {
    {"layer_norm_1.", "norm1.", "norm1."},
    {"attention.self.query.", "attn.q.", "attn.attn.in_proj_"},
    {"attention.self.key.", "attn.kv.", "attn.attn.in_proj_"},
    {"attention.self.value.", "attn.kv.", "attn.attn.in_proj_"},
    {"attention.self.sr.", "attn.sr.", "attn.sr."},
    {"attention.self.layer_norm.", "attn.norm.", "attn.norm."},
    {"attention.output.dense.", "attn.proj.", "attn.attn.out_proj."},
    {"layer_norm_2.", "norm2.", "norm2."},
    {"mlp.dense1.", "mlp.fc1.", "ffn.layers.0.", true},
    {"mlp.dwconv.dwconv.", "mlp.dwconv.dwconv.", "ffn.layers.1."},
    {"mlp.dense2.", "mlp.fc2.", "ffn.layers.4.", true},
};

// Takes "3." from the beginning of `rest`.
int TakeIndex(absl::string_view& rest) {
  const size_t dot = rest.find('.');
  int index = 0;
  autograd::Require(dot != absl::string_view::npos && absl::SimpleAtoi(rest.substr(0, dot), &index), "MiTPublicName",
                    "no index begins '", std::string(rest), "'");
  rest.remove_prefix(dot + 1);
  return index;
}

}  // namespace

const char* Owner(MiTPackage package) {
  switch (package) {
    case MiTPackage::kHuggingFace:
      return "Hugging Face's";
    case MiTPackage::kNvidia:
      return "NVlabs'";
    case MiTPackage::kMmseg:
      return "mmseg's";
    case MiTPackage::kSssegmentation:
      return "SSSegmentation's";
  }
  return "";
}

const char* MiTSuffix(MiTPackage package) {
  switch (package) {
    case MiTPackage::kHuggingFace:
      return "";
    case MiTPackage::kNvidia:
      return "_nvidia";
    case MiTPackage::kMmseg:
    case MiTPackage::kSssegmentation:
      return "_mmseg";
  }
  return "";
}

MiTEpsilons MiTEpsilons::Of(MiTPackage package) {
  switch (package) {
    case MiTPackage::kHuggingFace:
      return {1e-5, 1e-5, 1e-5, 1e-5};
    case MiTPackage::kNvidia:
      return {1e-5, 1e-6, 1e-5, 1e-6};
    case MiTPackage::kMmseg:
    case MiTPackage::kSssegmentation:
      break;
  }
  return {1e-6, 1e-6, 1e-6, 1e-6};
}

std::vector<std::string> EpsilonDifferences(MiTPackage package, const MiTEpsilons& epsilons) {
  constexpr std::pair<const char*, double MiTEpsilons::*> kNorms[] = {{"patch embeddings", &MiTEpsilons::patch_embed},
                                                                      {"blocks", &MiTEpsilons::block},
                                                                      {"reductions", &MiTEpsilons::reduction},
                                                                      {"stages", &MiTEpsilons::stage}};
  const MiTEpsilons theirs = MiTEpsilons::Of(package);
  std::vector<std::string> differences;
  for (const auto& [place, epsilon] : kNorms) {
    if (theirs.*epsilon != epsilons.*epsilon)
      differences.push_back(absl::StrCat("has ε ", theirs.*epsilon, " in the norms of the ", place));
  }
  return differences;
}

nn::RenamedField MiTPublicName(MiTPackage package, absl::string_view field) {
  if (package == MiTPackage::kHuggingFace) return {std::string(field)};
  const bool nvidia = package == MiTPackage::kNvidia;
  absl::string_view rest = field;
  if (absl::ConsumePrefix(&rest, "patch_embeddings.")) {
    const int stage = TakeIndex(rest);
    const bool convolution = absl::ConsumePrefix(&rest, "proj.");
    autograd::Require(convolution || absl::ConsumePrefix(&rest, "layer_norm."), "MiTPublicName", "'",
                      std::string(field), "' is no field of MiT");
    const char* const part = !convolution ? "norm." : nvidia ? "proj." : "projection.";
    if (nvidia) return {absl::StrCat("patch_embed", stage + 1, ".", part, rest)};
    return {absl::StrCat("layers.", stage, ".0.", part, rest)};
  }
  if (absl::ConsumePrefix(&rest, "layer_norm.")) {
    const int stage = TakeIndex(rest);
    if (nvidia) return {absl::StrCat("norm", stage + 1, ".", rest)};
    return {absl::StrCat("layers.", stage, ".2.", rest)};
  }
  autograd::Require(absl::ConsumePrefix(&rest, "block."), "MiTPublicName", "'", std::string(field),
                    "' is no field of MiT");
  const int stage = TakeIndex(rest), block = TakeIndex(rest);
  for (const Part& part : kBlock) {
    if (!absl::ConsumePrefix(&rest, part.ours)) continue;
    if (nvidia) return {absl::StrCat("block", stage + 1, ".", block, ".", part.nvidia, rest)};
    nn::RenamedField renamed{absl::StrCat("layers.", stage, ".1.", block, ".", part.mmseg, rest)};
    if (part.pointwise_in_mmseg && rest == "weight") renamed.layout = nn::Layout::kPointwiseConv2d;
    return renamed;
  }
  autograd::Fail("MiTPublicName", "'", std::string(field), "' is no field of MiT");
}

MiTOrigin MiTOriginOf(const nn::SafetensorsFile& file) {
  bool sssegmentation = false, convolution_head = false;
  MiTOrigin origin;
  for (const nn::TensorInfo& tensor : file.tensors()) {
    const absl::string_view name = tensor.name;
    sssegmentation |= absl::StrContains(name, "backbone_net.");
    convolution_head |= absl::StrContains(name, "decode_head.convs.");
    if (absl::EndsWith(name, "block.0.0.attention.self.query.weight")) {
      origin.package = MiTPackage::kHuggingFace;
      origin.own_names = absl::EndsWith(name, "backbone.block.0.0.attention.self.query.weight");
    }
    if (absl::EndsWith(name, "block1.0.attn.kv.weight")) origin.package = MiTPackage::kNvidia;
    if (absl::EndsWith(name, "layers.0.1.0.attn.attn.in_proj_weight")) origin.package = MiTPackage::kMmseg;
  }
  if (origin.own_names) origin.package = convolution_head ? MiTPackage::kMmseg : MiTPackage::kNvidia;
  if (origin.package == MiTPackage::kMmseg && sssegmentation) origin.package = MiTPackage::kSssegmentation;
  return origin;
}

}  // namespace seg
