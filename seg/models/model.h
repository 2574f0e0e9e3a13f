#pragma once

// What the models of this folder have in common. A model has two halves with the encoder's features between them:
//
//   Features features = model.Encode(images, context);
//   Variable logits = model.Decode(features, context);                     // model(images, context) is both
//   std::vector<Variable> auxiliary = model.Auxiliary(features, context);  // of models that have such a method
//
// Auxiliary gives the logits of each of the model's auxiliary heads, [n, h, w, classes] in float32 at a size of the
// head's own, and nothing where `config.auxiliary` is false. They are for training alone: the loss of each is weighted
// and added to that of the main logits. The names of their fields, and of no others, begin with "aux".
//
// One context serves all calls of a pass: each part of the model draws from a split of its key, so the order of Decode
// and Auxiliary decides no number. What changes features between the halves, such as a policy that modulates one tap,
// or reads them, such as distillation, needs nothing else of a model.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/core/variable.h"
#include "autograd/runtime/random.h"
#include "nn/checkpoints/weights.h"
#include "nn/context.h"
#include "nn/module.h"
#include "seg/decoders/norm_extent.h"

namespace seg {

// The encoder's taps, each a map [n, h, w, c] in the model's `config.compute`. Number, order and strides of the taps
// are said at each model's Encode.
using Features = std::vector<autograd::Variable>;

// Maps of a pass that losses on features compare between two networks, such as PLOP's (seg/continual/local_pod.h). A
// model that gives them has Observe(PassMaps* maps): from then on every Encode and Decode writes into *maps; null ends
// it.
struct PassMaps {
  std::vector<autograd::Variable> stages;  // of the encoder, each as its last activation reads it: [n, h, w, c]
  autograd::Variable embedding;            // what the layer of the logits reads, before dropout: [n, h, w, c]
};

template <typename M>
concept Model = nn::Module<M> && std::constructible_from<M, const decltype(M::config)&, autograd::RandomKey> &&
    requires(M& model, const M& constant, const autograd::Variable& images, const Features& features,
             const nn::Context& context, const std::string& path, int64_t size) {
  { model.Encode(images, context) } -> std::same_as<Features>;
  // Features as Encode returns them, z with its extra channels → logits [n, h, w, classes] in float32.
  { model.Decode(features, context) } -> std::same_as<autograd::Variable>;
  { model(images, context) } -> std::same_as<autograd::Variable>;
  // Public weights of the encoder alone, from a file at `path` under any names that the encoder's loader knows.
  { model.LoadEncoder(path) } -> std::same_as<absl::StatusOr<nn::LoadReport>>;

  { constant.classes() } -> std::same_as<int64_t>;
  // Encode loses and pads no pixel of images whose height and width are multiples of it.
  { constant.size_multiple() } -> std::same_as<int64_t>;
  // The index, in Features, of the tap that is the latent representation z = encoder(x): the last and coarsest.
  { constant.latent_tap() } -> std::same_as<size_t>;
  // Channels of z as Encode gives it, for a configuration of the model.
  { M::LatentChannels(constant.config) } -> std::same_as<int64_t>;
  // The name in front of the parameters of the layer that makes the logits, for nn::RateFactor.
  { constant.last_layer() } -> std::same_as<std::string>;
  // The batch norm that images of height × width pixels (both `size` here) bring the fewest values to; 0 values where
  // the images are too small for the encoder, and no extent for models without batch norms.
  { constant.SmallestNorm(size, size) } -> std::same_as<std::optional<NormExtent>>;
};

// A model whose Decode can be given a z with so many channels more, behind those of Encode: what a policy appends (0
// unless the configuration says otherwise).
template <typename M>
concept Extensible = Model<M> && requires(decltype(M::config)& config) {
  { config.extra_latent_channels } -> std::convertible_to<int64_t>;
};

}  // namespace seg
