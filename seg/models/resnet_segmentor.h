#pragma once

// A ResNet, a head on C5 and an auxiliary classifier on C4: the form that FCN, DeepLabV3, PSPNet and others have in
// torchvision, mmseg and SSSegmentation. The parts are called as in torchvision.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/ops/cast.h"
#include "nn/checkpoints/weights.h"
#include "seg/decoders/fcn_head.h"
#include "seg/encoders/resnet.h"
#include "seg/models/model.h"

namespace seg {

template <typename Head, typename HeadConfig>
struct ResNetSegmentorConfig {
  int64_t classes = 21;
  ResNetConfig encoder = {};
  HeadConfig head = {};
  bool auxiliary = false;  // an auxiliary classifier for training (the packages weight its loss with 0.4 or 0.5)
  FcnHeadConfig auxiliary_head = {.width = 256};
  int64_t extra_latent_channels = 0;  // that Decode finds behind the encoder's (seg/models/model.h)
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// A Head is made from (inputs, classes, HeadConfig, key), called with (tap, context), has a Linear called `classifier`,
// the field "4", and gives the smallest of its batch norms, SmallestNorm(pixels of the tap).
template <typename Head, typename HeadConfig>
struct ResNetSegmentor {
  using Config = ResNetSegmentorConfig<Head, HeadConfig>;

  ResNetSegmentor(const Config& given, RandomKey key)
      : config(given),
        backbone(given.encoder, key.Split("backbone")),
        classifier(given.encoder.OutputChannels()[3] + given.extra_latent_channels, given.classes, given.head,
                   key.Split("classifier")) {
    if (!config.auxiliary) return;
    auxiliary_classifier.emplace(config.encoder.OutputChannels()[2], config.classes, config.auxiliary_head,
                                 key.Split("aux_classifier"));
  }

  // images [n, h, w, 3], normalised → four features: C2 … C5 of the backbone, at strides 4, 8, 16, 32, none above
  // encoder.output_stride.
  Features Encode(const Variable& images, const nn::Context& context) {
    std::vector<Variable> sums;
    const std::array<Variable, 4> taps = backbone(autograd::Cast(images, config.compute), context.Split("backbone"),
                                                  observed == nullptr ? nullptr : &sums);
    if (observed != nullptr) observed->stages = std::move(sums);
    return Features(taps.begin(), taps.end());
  }

  // features → logits [n, h5, w5, classes] in float32, at the size of C5: ⌈h/s⌉ × ⌈w/s⌉, s = encoder.output_stride.
  Variable Decode(const Features& features, const nn::Context& context) {
    RequireTaps(features);
    Variable* embedding = observed == nullptr ? nullptr : &observed->embedding;
    return autograd::Cast(classifier(features[3], context.Split("classifier"), embedding), autograd::kFloat32);
  }

  // features → the auxiliary classifier's logits [n, h4, w4, classes] in float32, at the size of C4; nothing where the
  // network has none.
  std::vector<Variable> Auxiliary(const Features& features, const nn::Context& context) {
    RequireTaps(features);
    if (!auxiliary_classifier.has_value()) return {};
    return {autograd::Cast((*auxiliary_classifier)(features[2], context.Split("aux_classifier")), autograd::kFloat32)};
  }

  // images [n, h, w, 3], normalised → logits as Decode returns them. Nothing is computed for the auxiliary classifier.
  Variable operator()(const Variable& images, const nn::Context& context) {
    return Decode(Encode(images, context), context);
  }

  // backbone, classifier, aux_classifier
  void Fields(nn::FieldVisitor& visitor) {
    visitor.Field("backbone", backbone);
    visitor.Field("classifier", classifier);
    visitor.Field("aux_classifier", auxiliary_classifier);
  }

  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) { return LoadResNet(path, backbone); }
  void Observe(PassMaps* maps) { observed = maps; }

  int64_t classes() const { return config.classes; }
  int64_t size_multiple() const { return backbone.size_multiple(); }
  size_t latent_tap() const { return 3; }  // C5
  static int64_t LatentChannels(const Config& config) { return config.encoder.OutputChannels()[3]; }
  std::string last_layer() const { return "classifier.4"; }
  // The classifier's smallest norm. The backbone's norms see C5's pixels and more, the auxiliary classifier's C4's.
  std::optional<NormExtent> SmallestNorm(int64_t height, int64_t width) const {
    return classifier.SmallestNorm(backbone.LastTapPixels(height, width));
  }

  Config config;
  ResNet backbone;
  Head classifier;
  std::optional<FcnHead> auxiliary_classifier;
  PassMaps* observed = nullptr;

 private:
  static void RequireTaps(const Features& features) {
    autograd::Require(features.size() == 4, "ResNetSegmentor", "decodes 4 features, not ", features.size());
  }
};

// A function that renames tensors of files of torchvision, mmseg and SSSegmentation to the names of a ResNetSegmentor's
// fields. `head` gets the rest of a name of mmseg's main head (without "decode_head.") or of SSSegmentation's
// ("decoder.1.bias", "aspp_net.…") and returns the name that the Head has for it. The auxiliary head of the file has
// `auxiliary_convolutions`; with 0, the tensors of auxiliary heads are left out.
nn::Rename ResNetSegmentorRename(nn::Rename head, int64_t auxiliary_convolutions);

// Loads a file's weights into `network`, a ResNetSegmentor; `strict` as in nn::LoadOptions.
template <typename Network>
absl::StatusOr<nn::LoadReport> LoadResNetSegmentor(const std::string& path, Network& network, nn::Rename head,
                                                   bool strict) {
  const int64_t convolutions = network.config.auxiliary ? network.config.auxiliary_head.convolutions : 0;
  return nn::LoadWeights(path, network,
                         {.strict = strict, .rename = ResNetSegmentorRename(std::move(head), convolutions)});
}

}  // namespace seg
