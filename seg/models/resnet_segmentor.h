#pragma once

// A ResNet, a head on C5 and an auxiliary classifier on C4: the form that FCN, DeepLabV3 and others have in torchvision, mmseg and
// SSSegmentation. The parts are called as in torchvision.

#include <cstdint>
#include <optional>
#include <utility>

#include "autograd/ops/cast.h"
#include "nn/checkpoints/weights.h"
#include "seg/decoders/fcn_head.h"
#include "seg/encoders/resnet.h"

namespace seg {

template <typename Head, typename HeadConfig>
struct ResNetSegmentorConfig {
  int64_t classes = 21;
  ResNetConfig encoder = {};
  HeadConfig head = {};
  bool auxiliary = false;  // an auxiliary classifier for training (the packages weight its loss with 0.4 or 0.5)
  FcnHeadConfig auxiliary_head = {.width = 256};
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// A Head is made from (inputs, classes, HeadConfig, key), called with (tap, context), and has a Linear called `classifier`, the field "4".
template <typename Head, typename HeadConfig>
struct ResNetSegmentor {
  using Config = ResNetSegmentorConfig<Head, HeadConfig>;

  // The prefix of LastLayer(), for RateFactor.
  static constexpr char kLastLayer[] = "classifier.4";

  ResNetSegmentor(const Config& given, RandomKey key)
      : config(given),
        backbone(given.encoder, key.Split("backbone")),
        classifier(given.encoder.OutputChannels()[3], given.classes, given.head, key.Split("classifier")) {
    if (!config.auxiliary) return;
    auxiliary_classifier.emplace(config.encoder.OutputChannels()[2], config.classes, config.auxiliary_head,
                                 key.Split("aux_classifier"));
  }

  // images [n, h, w, 3], normalised → logits [n, ⌈h/s⌉, ⌈w/s⌉, classes] in float32, s = encoder.output_stride. `auxiliary_logits` asks for
  // those of the auxiliary classifier, at the stride of C4; without it they are not computed.
  Variable operator()(const Variable& images, const nn::Context& context, Variable* auxiliary_logits = nullptr) {
    const std::array<Variable, 4> taps = backbone(autograd::Cast(images, config.compute), context.Split("backbone"));
    if (auxiliary_logits != nullptr) {
      autograd::Require(auxiliary_classifier.has_value(), "ResNetSegmentor", "has no auxiliary classifier");
      *auxiliary_logits =
          autograd::Cast((*auxiliary_classifier)(taps[2], context.Split("aux_classifier")), autograd::kFloat32);
    }
    return autograd::Cast(classifier(taps[3], context.Split("classifier")), autograd::kFloat32);
  }

  // backbone, classifier, aux_classifier
  void Fields(nn::FieldVisitor& visitor) {
    visitor.Field("backbone", backbone);
    visitor.Field("classifier", classifier);
    visitor.Field("aux_classifier", auxiliary_classifier);
  }

  nn::Linear& LastLayer() { return classifier.classifier; }

  Config config;
  ResNet backbone;
  Head classifier;
  std::optional<FcnHead> auxiliary_classifier;
};

// The names here for names in files of torchvision, mmseg and SSSegmentation. `head` gets those of mmseg's head (without "decode_head.") and of
// SSSegmentation's ("decoder.1.bias", "aspp_net.…") and returns them as the head has them. The auxiliary head has so many
// convolutions; with 0, the tensors of auxiliary heads are left out.
nn::Rename ResNetSegmentorRename(nn::Rename head, int64_t auxiliary_convolutions);

template <typename Network>
absl::StatusOr<nn::LoadReport> LoadResNetSegmentor(const std::string& path, Network& network, nn::Rename head,
                                                   bool strict) {
  const int64_t convolutions = network.config.auxiliary ? network.config.auxiliary_head.convolutions : 0;
  return nn::LoadWeights(path, network,
                         {.strict = strict, .rename = ResNetSegmentorRename(std::move(head), convolutions)});
}

}  // namespace seg
