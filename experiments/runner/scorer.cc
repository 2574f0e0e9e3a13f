#include "experiments/runner/scorer.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "autograd/core/array.h"
#include "autograd/runtime/allocator.h"
#include "autograd/runtime/stream.h"
#include "data/datasets/cityscapes.h"
#include "data/datasets/human_parsing.h"
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
    const absl::StatusOr<data::IndexMap> instances = Instances(sample);
    if (!instances.ok() && problem_.empty()) problem_ = std::string(instances.status().message());
    metrics_.Add(truth.values, data::StoredLabels(info_, prediction).values,
                 instances.ok() ? std::span<const uint16_t>(instances->values) : std::span<const uint16_t>());
  }

  void Share(autograd::Collective& collective) override {
    Scorer::Share(collective);
    collective.AllReduceSum(metrics_.sums());
    has_problem_ = OnAnyRank(collective, !problem_.empty());
  }

  std::vector<Score> Scores() const override {
    std::vector<Score> scores = Scorer::Scores();
    const seg::CityscapesScores official = metrics_.Scores();
    AddScore(scores, "IoU class", official.mean_class_iou);
    AddScore(scores, "IoU category", official.mean_category_iou);
    if (has_problem_ || !problem_.empty()) return scores;
    AddScore(scores, "iIoU class", official.mean_class_instance_iou);
    AddScore(scores, "iIoU category", official.mean_category_instance_iou);
    return scores;
  }

  std::vector<std::string> Names() const override {
    std::vector<std::string> names = Scorer::Names();
    names.insert(names.end(), {"IoU class", "IoU category", "iIoU class", "iIoU category"});
    return names;
  }

  std::vector<std::string> Notes() const override {
    if (!has_problem_ && problem_.empty()) return {};
    return {absl::StrCat("iIoU is left out: ", problem_.empty() ? "another rank lacks instances" : problem_)};
  }

 private:
  // Instances that can be counted.
  absl::StatusOr<data::IndexMap> Instances(const data::Sample& sample) const {
    absl::StatusOr<data::IndexMap> instances = data::ReadCityscapesInstances(root_, info_.split, sample.id);
    if (!instances.ok()) return instances;
    const auto wrong = [&sample](const std::string& what) {
      return absl::InvalidArgumentError(absl::StrCat("the instances of ", sample.id, what));
    };
    if (instances->height != sample.label.height || instances->width != sample.label.width) {
      return wrong(absl::StrCat(" are ", instances->width, " x ", instances->height, ", its label map ",
                                sample.label.width, " x ", sample.label.height));
    }
    for (const uint16_t value : instances->values) {
      if (value >= 1000 * seg::kCityscapesLabels)
        return wrong(absl::StrCat(" have the value ", value, ", of no label id"));
    }
    return instances;
  }

  const data::DatasetInfo info_;
  const std::string root_;
  seg::CityscapesMetrics metrics_;
  std::string problem_;       // of the first image whose instances cannot be counted
  bool has_problem_ = false;  // on any rank
};

// The kit of the MIT scene parsing benchmark takes a class that is nowhere for an IoU of 0, and ranks by the mean of
// that mIoU and the pixel accuracy.
class SceneParsingScorer : public Scorer {
 public:
  using Scorer::Scorer;

  std::vector<Score> Scores() const override {
    std::vector<Score> scores = Scorer::Scores();
    if (scores.empty()) return scores;
    const double mean_iou = confusion_.MeanIou(seg::ClassSet::kAll);
    AddScore(scores, "kit mIoU", mean_iou);
    AddScore(scores, "kit score", (confusion_.PixelAccuracy() + mean_iou) / 2);
    return scores;
  }

  std::vector<std::string> Names() const override {
    std::vector<std::string> names = Scorer::Names();
    names.insert(names.end(), {"kit mIoU", "kit score"});
    return names;
  }
};

// LIP and CIHP in one numbering: class 10 is another in each, and a network of the one knows nothing of it in the
// other.
class HumanParsingScorer : public Scorer {
 public:
  using Scorer::Scorer;

  std::vector<Score> Scores() const override {
    std::vector<Score> scores = Scorer::Scores();
    if (scores.empty()) return scores;
    double sum = 0;
    int classes = 0;
    const std::vector<double> iou = confusion_.ClassIou();
    for (int k = 0; k < confusion_.classes(); ++k) {
      if (k == data::kUnlikeHumanParsingClass || std::isnan(iou[k])) continue;
      sum += iou[k];
      ++classes;
    }
    AddScore(scores, "mIoU without class 10", sum / classes);
    AddScore(scores, "mIoU, absent as 0", confusion_.MeanIou(seg::ClassSet::kAll));
    return scores;
  }

  std::vector<std::string> Names() const override {
    std::vector<std::string> names = Scorer::Names();
    names.insert(names.end(), {"mIoU without class 10", "mIoU, absent as 0"});
    return names;
  }
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
  if (info.name == "ade20k") return std::make_unique<SceneParsingScorer>(info.num_classes());
  if (info.name == "lip" || info.name == "cihp") return std::make_unique<HumanParsingScorer>(info.num_classes());
  return std::make_unique<Scorer>(info.num_classes());
}

}  // namespace experiments
