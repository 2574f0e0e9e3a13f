#include "experiments/runner/networks.h"

#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "experiments/runner/latent_flags.h"
#include "seg/models/ciss_net.h"
#include "seg/models/deeplabv3.h"
#include "seg/models/fcn.h"
#include "seg/models/pspnet.h"
#include "seg/models/segformer.h"
#include "seg/models/segmenter.h"
#include "seg/models/semantic_fpn.h"
#include "seg/models/setr.h"
#include "seg/models/sfpnext.h"

namespace experiments {
namespace {

using autograd::RandomKey;
using MadeNetwork = absl::StatusOr<std::unique_ptr<Network>>;

// A family of networks: one seg::Model on encoders of several names.
struct Family {
  const char* prefix;  // of the networks' names
  const char* title;   // for people, in front of the encoder
  bool auxiliary_head;
  // The network on `encoder`; NotFound where the family has no such encoder.
  MadeNetwork (*make)(const Family& family, const std::string& encoder, int classes, RandomKey key,
                      const NetworkOptions& options);
  // Of its latent representation on `encoder`; NotFound likewise.
  absl::StatusOr<int64_t> (*latent_channels)(const std::string& encoder);
};

template <typename EncoderConfig>
bool SetDropPath(EncoderConfig& encoder, double rate) {
  if constexpr (requires { encoder.drop_path; }) {
    encoder.drop_path = rate;
    return true;
  }
  return false;
}
template <typename... EncoderConfigs>
bool SetDropPath(std::variant<EncoderConfigs...>& encoder, double rate) {
  return std::visit([rate](auto& chosen) { return SetDropPath(chosen, rate); }, encoder);
}

template <typename EncoderConfig>
void CheckpointBlocks(EncoderConfig& encoder) {
  encoder.checkpoint_blocks = true;
}
template <typename... EncoderConfigs>
void CheckpointBlocks(std::variant<EncoderConfigs...>& encoder) {
  std::visit([](auto& chosen) { CheckpointBlocks(chosen); }, encoder);
}

template <typename Model>
concept HasAuxiliaryHead = requires(Model& model) {
  model.config.auxiliary;
};

std::string FamiliesWithAuxiliaryHead();

// Whether the policy and the modulation can be put around features of so many channels.
absl::Status CheckLatent(const seg::LatentConfig& latent, int64_t channels, const std::string& network) {
  const int64_t heads = latent.modulation.heads;
  if (latent.modulation.kind != seg::Modulation::kAttention || channels % heads == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--modulation_heads=", heads, " does not divide the ", channels,
                                                 " channels of the latent representation of ", network));
}

template <typename Model, auto kConfigure>
MadeNetwork Make(const Family& family, const std::string& encoder, int classes, RandomKey key,
                 const NetworkOptions& options) {
  auto config = kConfigure(encoder, classes);
  if (!config.ok()) return config.status();
  std::string description = absl::StrCat(family.title, encoder, ", ", classes, " classes");
  config->compute = options.precision;
  if (options.checkpoint_blocks) CheckpointBlocks(config->encoder);
  if (options.drop_path.has_value()) {
    const double rate = *options.drop_path;
    if (!(rate >= 0 && rate < 1))
      return absl::InvalidArgumentError(absl::StrCat("drop_path ", rate, " is not in [0, 1)"));
    if (!SetDropPath(config->encoder, rate) && rate > 0)
      return absl::InvalidArgumentError(absl::StrCat("no stochastic depth in ", description));
  }
  if (options.auxiliary_head) {
    if constexpr (HasAuxiliaryHead<Model>) {
      config->auxiliary = true;
      absl::StrAppend(&description, ", auxiliary head");
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("no auxiliary head in ", description, "; ", FamiliesWithAuxiliaryHead()));
    }
  }
  if (!options.latent.has_value())
    return std::make_unique<NetworkOf<Model>>(Model(*config, key), std::move(description));
  if (absl::Status status = CheckLatent(*options.latent, Model::LatentChannels(*config), description); !status.ok())
    return status;
  absl::StrAppend(&description, ", ", ToString(*options.latent));
  using Modulated = seg::Latent<Model>;
  return std::make_unique<NetworkOf<Modulated>>(Modulated({*config, *options.latent}, key), std::move(description));
}

template <typename Model, auto kConfigure>
absl::StatusOr<int64_t> LatentChannelsOf(const std::string& encoder) {
  const auto config = kConfigure(encoder, 2);
  if (!config.ok()) return config.status();
  return Model::LatentChannels(*config);
}

template <typename Model, auto kConfigure>
constexpr Family Row(const char* prefix, const char* title) {
  return {prefix, title, HasAuxiliaryHead<Model>, Make<Model, kConfigure>, LatentChannelsOf<Model, kConfigure>};
}

// A name without any of the prefixes is an encoder of the first family.
constexpr Family kFamilies[] = {
    Row<seg::SFPNeXt, seg::ConfigureSFPNeXt>("sfpnext_", "SFPNeXt, ConvNeXt-V2 "),
    Row<seg::DeepLabV3, seg::ConfigureDeepLabV3>("deeplabv3_", "DeepLabv3, "),
    Row<seg::Fcn, seg::ConfigureFcn>("fcn_", "FCN, "),
    Row<seg::PspNet, seg::ConfigurePspNet>("pspnet_", "PSPNet, "),
    Row<seg::ResNetSemanticFpn, seg::ConfigureResNetSemanticFpn>("semantic_fpn_", "SemanticFPN, "),
    Row<seg::Segmenter, seg::ConfigureSegmenter>("segmenter_", "Segmenter, "),
    Row<seg::SegFormer, seg::ConfigureSegFormer>("segformer_", "SegFormer, "),
    Row<seg::Setr, seg::ConfigureSetr>("setr_", "SETR-Naive, "),
    Row<seg::CissNet, seg::ConfigureCissNet>("ciss_", "CiSS-Net, "),
};

// "sfpnext_…, fcn_… and segmenter_…", of all families or of those with an auxiliary head.
std::string Prefixes(const char* last_separator, bool only_with_auxiliary_head) {
  std::vector<std::string> prefixes;
  for (const Family& family : kFamilies) {
    if (family.auxiliary_head || !only_with_auxiliary_head) prefixes.push_back(absl::StrCat(family.prefix, "…"));
  }
  std::string last = std::move(prefixes.back());
  prefixes.pop_back();
  return prefixes.empty() ? last : absl::StrCat(absl::StrJoin(prefixes, ", "), last_separator, last);
}

std::string FamiliesWithAuxiliaryHead() { return absl::StrCat(Prefixes(" and ", true), " have one"); }

// The family that a name asks for, and the encoder.
std::pair<const Family&, std::string> Parse(const std::string& name) {
  absl::string_view encoder = name;
  for (const Family& family : kFamilies) {
    if (absl::ConsumePrefix(&encoder, family.prefix)) return {family, std::string(encoder)};
  }
  return {kFamilies[0], name};
}

absl::Status UnknownNetwork(const std::string& name, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", status.message(), "; a network is called ",
                                                 Prefixes(" or ", false), " with its encoder"));
}

}  // namespace

std::vector<std::string> NetworkFamilies() {
  std::vector<std::string> prefixes;
  for (const Family& family : kFamilies) prefixes.emplace_back(family.prefix);
  return prefixes;
}

std::string DescribeNetwork(const std::string& name) {
  const auto& [family, encoder] = Parse(name);
  return absl::StrCat(family.title, encoder);
}

absl::StatusOr<std::unique_ptr<Network>> MakeNetwork(const std::string& name, int classes, RandomKey key,
                                                     const NetworkOptions& options) {
  const auto& [family, encoder] = Parse(name);
  MadeNetwork network = family.make(family, encoder, classes, key, options);
  if (network.ok() || network.status().code() != absl::StatusCode::kNotFound) return network;
  return UnknownNetwork(name, network.status());
}

absl::StatusOr<int64_t> LatentChannels(const std::string& name) {
  const auto& [family, encoder] = Parse(name);
  const absl::StatusOr<int64_t> channels = family.latent_channels(encoder);
  if (channels.ok() || channels.status().code() != absl::StatusCode::kNotFound) return channels;
  return UnknownNetwork(name, channels.status());
}

}  // namespace experiments
