#include "experiments/continual/distillation.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "autograd/core/tape.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/resize.h"
#include "experiments/runner/batch_feed.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/gradient_learner.h"
#include "seg/continual/local_pod.h"
#include "seg/continual/mib_losses.h"
#include "seg/continual/plop_loss.h"

namespace experiments::continual {

using autograd::Array;
using autograd::Variable;

namespace {

Array FlagOnHost() {
  const autograd::StreamScope host(autograd::Stream::Cpu());
  return Array::Zeros({1}, autograd::kUInt8);
}

Array Ones(const StepView& view) { return Array::Full({view.labels.shape()[0]}, autograd::kFloat32, 1); }

}  // namespace

absl::Status MibSupervision::Begin(const StepView& view) {
  labels_ = view.labels;
  const autograd::PauseTape constant;
  old_logits_ = old_->Logits(Variable(view.images), {}).array();
  return absl::OkStatus();
}

Variable MibSupervision::Loss(const Variable& logits) {
  return seg::UnbiasedCrossEntropy(logits, labels_, old_->classes());
}

Variable MibSupervision::Distillation(const seg::Features&, const Variable& logits) {
  if (weight_ == 0) return {};
  return weight_ * seg::UnbiasedDistillation(logits, old_logits_, labels_.shape()[1], labels_.shape()[2]);
}

PlopSupervision::PlopSupervision(const ContinualOptions& options, Network& network, std::unique_ptr<Network> old,
                                 const OpenedData& data, const RunContext& context)
    : options_(options),
      network_(network),
      old_(std::move(old)),
      data_(data),
      context_(context),
      thresholds_(Array::Zeros({old_->classes()}, autograd::kFloat32)),
      measured_(FlagOnHost()) {
  gives_maps_ = network_.Observe(&maps_) && old_->Observe(&old_maps_);
}

PlopSupervision::~PlopSupervision() { network_.Observe(nullptr); }

seg::PixelEntropies PlopSupervision::Ask(const Array& images) {
  const autograd::PauseTape constant;
  old_features_ = old_->Encode(Variable(images), {});
  const Variable logits = old_->Decode(old_features_, {});
  old_logits_ = logits.array();
  return seg::EntropyOf(autograd::ResizeBilinear(logits, images.shape()[1], images.shape()[2]).array(),
                        options_.entropy, network_.classes());
}

absl::Status PlopSupervision::MeasureThresholds() {
  seg::EntropyThresholds thresholds(old_->classes(), options_.entropy);
  data::LoaderOptions loading =
      TrainingLoading(options_.training, data_, context_.collective, context_.key.Split("thresholds"), 0);
  absl::StatusOr<std::unique_ptr<data::Loader>> loader =
      data::Loader::Create(data_.training.get(), data_.augmentation, loading);
  if (!loader.ok()) return loader.status();
  BatchFeed feed(**loader);
  int64_t batches = (*loader)->batches_per_epoch();
  const int64_t together = int64_t{options_.training.batch_size} * context_.collective.world_size();
  if (options_.threshold_images > 0) batches = std::min(batches, (options_.threshold_images + together - 1) / together);
  for (int64_t i = 0; i < batches; ++i) {
    if (context_.collective.world_size() == 1 && context_.interrupt.stop_requested())
      return absl::CancelledError("the measurement of PLOP's thresholds was interrupted");
    if (absl::Status status = feed.Next(); !status.ok()) return status;
    thresholds.Add(feed.labels(), Ask(feed.images()));
  }
  thresholds.SumOverRanks(context_.collective);
  thresholds_.CopyFrom(thresholds.Finish());
  *measured_.data<uint8_t>() = 1;
  if (context_.first_rank())
    std::printf("  thresholds of pseudo-labels measured on %lld images\n", static_cast<long long>(batches * together));
  return absl::OkStatus();
}

absl::Status PlopSupervision::Begin(const StepView& view) {
  if (options_.pseudo_labels && *measured_.data<uint8_t>() == 0) {
    if (absl::Status status = MeasureThresholds(); !status.ok()) return status;
  }
  const seg::PixelEntropies pixels = Ask(view.images);
  if (!options_.pseudo_labels) {
    labels_ = view.labels;
    factors_ = taught_ = Ones(view);
    return absl::OkStatus();
  }
  seg::PseudoLabels made = seg::PseudoLabel(view.labels, pixels, thresholds_);
  labels_ = std::move(made.labels);
  taught_ = made.factor;
  factors_ = options_.adaptive_factor ? std::move(made.factor) : Ones(view);
  return absl::OkStatus();
}

Variable PlopSupervision::Loss(const Variable& logits) { return seg::PlopLoss(logits, labels_, factors_); }

Variable PlopSupervision::Distillation(const seg::Features& features, const Variable& logits) {
  std::vector<Variable> maps = gives_maps_ ? maps_.stages : features;
  const std::vector<Variable>& old = gives_maps_ ? old_maps_.stages : old_features_;
  std::vector<Array> old_maps;
  for (const Variable& map : old) old_maps.push_back(map.array());
  if (gives_maps_) {
    maps.push_back(maps_.embedding);
    old_maps.push_back(old_maps_.embedding.array());
    maps_ = old_maps_ = {};
  }
  old_features_.clear();
  seg::PlopDistillationOptions options{.map_weight = options_.feature_weight, .logits_weight = options_.logit_weight};
  int64_t smallest = std::min(logits.shape()[1], logits.shape()[2]);
  for (const Variable& map : maps) smallest = std::min({smallest, map.shape()[1], map.shape()[2]});
  std::erase_if(options.scales, [&](int scale) { return scale > smallest; });
  const Variable distance = seg::PlopDistillation(maps, logits, old_maps, old_logits_, options);
  distilled_ = distance.array();
  return distance;
}

NamedValues PlopSupervision::Report() const {
  const std::vector<float> factors = taught_.ToVector<float>();
  double sum = 0;
  for (const float factor : factors) sum += factor;
  return {{"taught", sum / static_cast<double>(factors.size())}, {"distilled", distilled_.Item()}};
}

void PlopSupervision::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("thresholds", thresholds_);
  visitor.Field("measured", measured_);
}

}  // namespace experiments::continual
