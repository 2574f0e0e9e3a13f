#pragma once

// What a network that has learnt earlier tasks teaches the one that goes on from it.

#include <cstdint>
#include <memory>

#include "experiments/continual/options.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/network.h"
#include "experiments/runner/run.h"
#include "experiments/runner/supervision.h"
#include "seg/continual/pseudo_labels.h"

namespace experiments::continual {

// MiB: the labels' background stands for everything that they hide (unbiased cross-entropy), and the old network's
// probabilities are distilled, its background standing for the new classes (unbiased distillation).
class MibSupervision : public Supervision {
 public:
  MibSupervision(const ContinualOptions& options, std::unique_ptr<Network> old)
      : weight_(options.distillation_weight), old_(std::move(old)) {}

  absl::Status Begin(const StepView& view) override;
  const autograd::Array& labels() const override { return labels_; }
  autograd::Variable Loss(const autograd::Variable& logits) override;
  // The means are over all pixels, and every rank has as many.
  double share() const override { return 1; }
  autograd::Variable Distillation(const seg::Features& features, const autograd::Variable& logits) override;

 private:
  const double weight_;
  const std::unique_ptr<Network> old_;
  autograd::Array labels_, old_logits_;
};

// PLOP: where labels say background and the old network is sure enough, what it says is the label; where it is not,
// there is none. Images count by how sure it is of them, and the maps of the two networks are held together by Local
// POD. The thresholds, one a class of the old network, are measured on the task's training images before its first
// step, and are state.
//
// A network that gives no PassMaps is compared by its encoder's taps and its logits alone, and cells of Local POD are
// no smaller than a pixel. A latent policy's network is compared as it passes its first draw, the old one as it is
// evaluated.
class PlopSupervision : public Supervision {
 public:
  // `network`, the one that learns, must outlive the supervision, as `data` and what `context` refers to.
  PlopSupervision(const ContinualOptions& options, Network& network, std::unique_ptr<Network> old,
                  const OpenedData& data, const RunContext& context);
  ~PlopSupervision() override;
  PlopSupervision(const PlopSupervision&) = delete;
  PlopSupervision& operator=(const PlopSupervision&) = delete;

  absl::Status Begin(const StepView& view) override;
  const autograd::Array& labels() const override { return labels_; }
  autograd::Variable Loss(const autograd::Variable& logits) override;
  // The mean is one over all pixels, and every rank has as many.
  double share() const override { return 1; }
  autograd::Variable Distillation(const seg::Features& features, const autograd::Variable& logits) override;
  // "taught": the mean ν, the share of an image's background pixels that have a label; "distilled": what Distillation
  // gave.
  NamedValues Report() const override;
  // thresholds, measured
  void Fields(nn::FieldVisitor& visitor) override;

 private:
  // A pass of the old network over the task's training images, as they are augmented, or as many as
  // options.threshold_images says.
  absl::Status MeasureThresholds();
  // What the old network says of images at their own size. Its pass leaves old_maps_, old_features_ and old_logits_.
  seg::PixelEntropies Ask(const autograd::Array& images);

  const ContinualOptions& options_;
  Network& network_;
  const std::unique_ptr<Network> old_;
  const OpenedData& data_;
  const RunContext& context_;

  autograd::Array thresholds_;  // float32 [C_old]
  autograd::Array measured_;    // uint8 [1], on the host: 1 when thresholds_ are

  // Of the batch that is under way.
  bool gives_maps_ = false;
  seg::PassMaps maps_, old_maps_;
  seg::Features old_features_;
  autograd::Array old_logits_;
  autograd::Array labels_, factors_;
  autograd::Array taught_, distilled_;
};

}  // namespace experiments::continual
