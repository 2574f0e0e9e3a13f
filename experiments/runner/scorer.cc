#include "experiments/runner/scorer.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "autograd/core/array.h"
#include "autograd/runtime/allocator.h"
#include "autograd/runtime/stream.h"
#include "data/datasets/cityscapes.h"
#include "data/datasets/submission.h"
#include "experiments/runner/execution.h"
#include "seg/metrics/cityscapes_metrics.h"

namespace experiments {
namespace {

void AddScore(std::vector<Score>& scores, const char* name, double value) {
  if (std::isfinite(value)) scores.push_back({name, value});
}

// Cityscapes' program counts in the release's label ids.
class CityscapesScorer : public Scorer {
 public:
  CityscapesScorer(const data::DatasetInfo& info, std::string root)
      : Scorer(info.num_classes()), info_(info), root_(std::move(root)) {}

  void Add(const data::Sample& sample, const data::LabelMap& prediction) override {
    Scorer::Add(sample, prediction);
    data::LabelMap truth = data::StoredLabels(info_, sample.label);
    std::replace(truth.values.begin(), truth.values.end(), data::kVoidLabel, uint8_t{0});
    const absl::StatusOr<data::IndexMap> instances = data::ReadCityscapesInstances(root_, info_.split, sample.id);
    has_instances_ &= instances.ok();
    metrics_.Add(truth.values, data::StoredLabels(info_, prediction).values,
                 instances.ok() ? std::span<const uint16_t>(instances->values) : std::span<const uint16_t>());
  }

  void Share(autograd::Collective& collective) override {
    Scorer::Share(collective);
    collective.AllReduceSum(metrics_.sums());
    has_instances_ = !OnAnyRank(collective, !has_instances_);
  }

  std::vector<Score> Scores() const override {
    std::vector<Score> scores = Scorer::Scores();
    const seg::CityscapesScores official = metrics_.Scores();
    AddScore(scores, "IoU class", official.mean_class_iou);
    AddScore(scores, "IoU category", official.mean_category_iou);
    if (!has_instances_) return scores;
    AddScore(scores, "iIoU class", official.mean_class_instance_iou);
    AddScore(scores, "iIoU category", official.mean_category_instance_iou);
    return scores;
  }

  std::vector<std::string> Names() const override {
    std::vector<std::string> names = Scorer::Names();
    names.insert(names.end(), {"IoU class", "IoU category", "iIoU class", "iIoU category"});
    return names;
  }

 private:
  const data::DatasetInfo info_;
  const std::string root_;
  seg::CityscapesMetrics metrics_;
  bool has_instances_ = true;
};

}  // namespace

void Scorer::Add(const data::Sample& sample, const data::LabelMap& prediction) {
  confusion_.Add(sample.label.values, prediction.values);
}

void Scorer::Share(autograd::Collective& collective) {
  if (collective.world_size() == 1) return;
  const autograd::OperationScope scope("Scorer");
  const autograd::StreamScope on_the_cpu(autograd::Stream::Cpu());
  autograd::Array sums = autograd::Array::From({static_cast<int64_t>(confusion_.counts().size())}, confusion_.counts());
  collective.AllReduceSum(sums);
  confusion_.counts() = sums.ToVector<int64_t>();
}

std::vector<Score> Scorer::Scores() const {
  std::vector<Score> scores;
  AddScore(scores, "mIoU", confusion_.MeanIou());
  AddScore(scores, "pixel accuracy", confusion_.PixelAccuracy());
  AddScore(scores, "class accuracy", confusion_.ClassAccuracy());
  return scores;
}

std::vector<std::string> Scorer::Names() const { return {"mIoU", "pixel accuracy", "class accuracy"}; }

std::unique_ptr<Scorer> MakeScorer(const data::DatasetInfo& info, const std::string& root) {
  if (info.name == "cityscapes" && info.labelled) return std::make_unique<CityscapesScorer>(info, root);
  return std::make_unique<Scorer>(info.num_classes());
}

}  // namespace experiments
