#pragma once

// What the trainer and the evaluator need of a segmentation network, whatever its type.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autograd/core/variable.h"
#include "nn/checkpoints/weights.h"
#include "nn/context.h"
#include "nn/module.h"
#include "seg/models/context_rule.h"
#include "seg/models/latent.h"
#include "seg/models/model.h"

namespace experiments {

class Network {
 public:
  virtual ~Network() = default;

  // images [N, H, W, 3], normalised, H and W multiples of size_multiple() → the encoder's features
  // (seg/models/model.h).
  virtual seg::Features Encode(const autograd::Variable& images, const nn::Context& context) = 0;
  // features as Encode returns them, or with the tap latent_tap() replaced → logits [N, h, w, K] in float32.
  virtual autograd::Variable Decode(const seg::Features& features, const nn::Context& context) = 0;
  // features as Encode returns them → logits [N, h', w', K] in float32 of each of the network's auxiliary heads for
  // training; empty where there are none.
  virtual std::vector<autograd::Variable> Auxiliary(const seg::Features& features, const nn::Context& context) = 0;
  // images as for Encode → logits as Decode returns them.
  autograd::Variable Logits(const autograd::Variable& images, const nn::Context& context) {
    return Decode(Encode(images, context), context);
  }

  virtual nn::ModuleReference module() = 0;
  virtual int size_multiple() const = 0;
  virtual int classes() const = 0;
  // The index, in what Encode returns, of the latent representation that a policy may modulate.
  virtual size_t latent_tap() const = 0;
  // The name in front of the parameters of the layer that makes the logits, such as "decoder.classifier".
  virtual std::string last_layer() const = 0;
  // What tells two networks apart that do not fit one checkpoint, such as "sfpnext nano, 59 classes".
  virtual std::string description() const = 0;
  // Public weights of the encoder alone, whatever of the names of its packages the file has; everything must fit.
  virtual absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) = 0;

  // From now on every Encode and Decode writes its maps (seg::PassMaps) into *maps, which must live until null is
  // given. False, and nothing happens, for networks that do not give them.
  virtual bool Observe([[maybe_unused]] seg::PassMaps* maps) { return false; }

  // Another network of this one's configuration, hence of the same description and of parameters of the same names and
  // shapes, with initial values of its own: a worker's copy, once the state has been copied into it.
  virtual std::unique_ptr<Network> Twin() const = 0;

  // The batch norm that images of height × width bring the fewest values to; see seg::Model.
  virtual std::optional<seg::NormExtent> SmallestNorm(int64_t height, int64_t width) const = 0;

  // How Decode takes its steps, for networks that choose context for themselves (seg/models/ciss_net.h); null for
  // others.
  virtual seg::ContextInference* context_inference() { return nullptr; }
  // The policy and the modulation of a network that modulates its latent representation (seg/models/latent.h); null for
  // others. Decode takes features that it has modulated, too.
  virtual seg::LatentHead* latent() { return nullptr; }

  // Whether batches of `batch` images of height × width on each of `ranks` ranks, whose batch norms are synchronised,
  // leave more than one value a channel to every batch norm. InvalidArgument, naming the flag to change (--batch_size
  // or --crop), its value and one that would do, if they do not: training would end in an autograd::Error at its first
  // step.
  absl::Status CheckTrainingShape(int64_t batch, int64_t height, int64_t width, int64_t ranks = 1) const;
};

// The Network of a seg::Model.
template <seg::Model Model>
class NetworkOf : public Network {
 public:
  NetworkOf(Model model, std::string description) : model_(std::move(model)), description_(std::move(description)) {}

  seg::Features Encode(const autograd::Variable& images, const nn::Context& context) override {
    return model_.Encode(images, context);
  }
  autograd::Variable Decode(const seg::Features& features, const nn::Context& context) override {
    return model_.Decode(features, context);
  }
  std::vector<autograd::Variable> Auxiliary(const seg::Features& features, const nn::Context& context) override {
    if constexpr (requires { model_.Auxiliary(features, context); }) return model_.Auxiliary(features, context);
    return {};
  }
  nn::ModuleReference module() override { return nn::ModuleReference(model_); }
  int size_multiple() const override { return static_cast<int>(model_.size_multiple()); }
  int classes() const override { return static_cast<int>(model_.classes()); }
  size_t latent_tap() const override { return model_.latent_tap(); }
  std::string last_layer() const override { return model_.last_layer(); }
  std::string description() const override { return description_; }
  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) override { return model_.LoadEncoder(path); }
  bool Observe(seg::PassMaps* maps) override {
    if constexpr (requires { model_.Observe(maps); }) {
      model_.Observe(maps);
      return true;
    }
    return false;
  }
  std::unique_ptr<Network> Twin() const override {
    return std::make_unique<NetworkOf>(Model(model_.config, autograd::RandomKey(0)), description_);
  }
  std::optional<seg::NormExtent> SmallestNorm(int64_t height, int64_t width) const override {
    return model_.SmallestNorm(height, width);
  }
  seg::ContextInference* context_inference() override {
    if constexpr (requires { model_.inference; }) return &model_.inference;
    return nullptr;
  }
  seg::LatentHead* latent() override {
    if constexpr (requires { model_.latent; }) return &model_.latent;
    return nullptr;
  }
  Model& model() { return model_; }

 private:
  Model model_;
  std::string description_;
};

}  // namespace experiments
