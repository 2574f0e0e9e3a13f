#pragma once

// What the trainer and the evaluator need of a segmentation network, whatever its type.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "autograd/core/variable.h"
#include "nn/checkpoints/weights.h"
#include "nn/context.h"
#include "nn/module.h"

namespace experiments {

class Segmenter {
 public:
  virtual ~Segmenter() = default;

  // images [N, H, W, 3], normalised -> logits [N, h, w, K]; H and W are multiples of SizeMultiple(). Where the network has an auxiliary head
  // for training, `auxiliary`, unless null, gets its logits [N, h', w', K]; otherwise it is left as it is.
  virtual autograd::Variable Logits(const autograd::Variable& images, const nn::Context& context,
                                    autograd::Variable* auxiliary) = 0;
  autograd::Variable Logits(const autograd::Variable& images, const nn::Context& context) {
    return Logits(images, context, nullptr);
  }

  virtual nn::ModuleReference module() = 0;
  virtual int SizeMultiple() const = 0;
  virtual int classes() const = 0;
  // The name in front of the parameters of the layer that makes the logits, such as "decoder.classifier".
  virtual std::string LastLayer() const = 0;
  // What tells two networks apart that do not fit one checkpoint, such as "sfpnext nano, 59 classes".
  virtual std::string Description() const = 0;
  // Public weights of the encoder alone, whatever of the names of its packages the file has; everything must fit.
  virtual absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) = 0;
};

// Wraps a model that is called as model(images, context) and has Fields; one with an auxiliary head as seg::ResNetSegmentor.
template <typename Model>
class SegmenterOf : public Segmenter {
 public:
  using EncoderLoader = std::function<absl::StatusOr<nn::LoadReport>(const std::string& path, Model& model)>;

  SegmenterOf(Model model, int size_multiple, int classes, std::string last_layer, std::string description,
              EncoderLoader load_encoder)
      : model_(std::move(model)),
        size_multiple_(size_multiple),
        classes_(classes),
        last_layer_(std::move(last_layer)),
        description_(std::move(description)),
        load_encoder_(std::move(load_encoder)) {}

  using Segmenter::Logits;
  autograd::Variable Logits(const autograd::Variable& images, const nn::Context& context,
                            autograd::Variable* auxiliary) override {
    if constexpr (requires { model_.auxiliary_classifier; }) {
      if (model_.auxiliary_classifier.has_value()) return model_(images, context, auxiliary);
    }
    return model_(images, context);
  }
  nn::ModuleReference module() override { return nn::ModuleReference(model_); }
  int SizeMultiple() const override { return size_multiple_; }
  int classes() const override { return classes_; }
  std::string LastLayer() const override { return last_layer_; }
  std::string Description() const override { return description_; }
  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) override { return load_encoder_(path, model_); }
  Model& model() { return model_; }

 private:
  Model model_;
  int size_multiple_, classes_;
  std::string last_layer_, description_;
  EncoderLoader load_encoder_;
};

}  // namespace experiments
