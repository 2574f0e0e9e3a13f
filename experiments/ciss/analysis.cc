#include "experiments/ciss/analysis.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "autograd/core/variable.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/softmax.h"
#include "data/transforms/normalize.h"
#include "experiments/ciss/whole_image.h"
#include "seg/metrics/confusion_matrix.h"
#include "seg/models/context_map.h"

namespace experiments::ciss {
namespace {

using autograd::Array;
using autograd::Variable;

// Whose contexts a pass takes.
enum class Swap : uint8_t { kOwn, kFull, kEmpty, kRandom, kShuffled, kConfident, kRight };
constexpr const char* kNames[] = {"own", "full", "empty", "random", "shuffled", "confident", "right"};
constexpr int kSwaps = 7;
constexpr double kConfidence = 0.9;

std::vector<uint8_t> Host(const Array& map) { return map.ToVector<uint8_t>(); }

class Analysis {
 public:
  Analysis(seg::CissNet& net, const data::Dataset& dataset, const AnalysisOptions& options)
      : net_(net),
        dataset_(dataset),
        options_(options),
        counts_(options.steps),
        confusions_(kSwaps, seg::ConfusionMatrix(static_cast<int>(net.classes()))) {}

  absl::Status Add(int64_t index) {
    absl::StatusOr<data::Sample> sample = dataset_.Load(index);
    if (!sample.ok()) return sample.status();
    const WholeImage whole(net_, sample->image, data::Normalization(dataset_.info()), options_.image_scale);
    const seg::CissNet::Domain& domain = whole.domain();
    const Array truth = whole.OnGrid(sample->label);
    const std::vector<uint8_t> labels = Host(truth);
    const autograd::RandomKey key = options_.key.Split(static_cast<uint64_t>(index));
    std::vector<std::vector<uint8_t>> own;
    for (int s = 0; s < kSwaps; ++s) {
      const auto swap = static_cast<Swap>(s);
      if (swap == Swap::kShuffled && previous_.empty()) continue;  // nobody's contexts for the first image
      Variable logits = domain.base;
      for (int64_t t = 0; t < options_.steps; ++t) {
        const Array p_map = autograd::ArgMax(logits.array(), autograd::kUInt8);
        const Array map = Context(swap, t, domain, logits, p_map, labels, own, key);
        if (swap == Swap::kOwn) {
          own.push_back(Host(map));
          Count(t, own.back(), labels);
        }
        logits = net_.Segment(domain, map, {});
      }
      confusions_[s].Add(sample->label.values, whole.Labels(logits).values);
    }
    previous_ = std::move(own);
    previous_grid_ = whole.grid();
    return absl::OkStatus();
  }

  ContextAnalysis Result() const {
    ContextAnalysis result;
    for (const Counts& counts : counts_)
      result.steps.push_back({counts.pixels > 0 ? counts.adopted / counts.pixels : 0,
                              counts.adopted > 0 ? counts.right / counts.adopted : 0});
    result.auc =
        probabilities_.empty() ? std::numeric_limits<double>::quiet_NaN() : AreaUnderCurve(probabilities_, right_);
    result.confidence_auc = AreaUnderCurve(confidences_, right_);
    for (int s = 0; s < kSwaps; ++s) result.swaps.push_back({kNames[s], confusions_[s].MeanIou()});
    return result;
  }

 private:
  struct Counts {
    double pixels = 0, adopted = 0, right = 0;
  };

  void Count(int64_t t, const std::vector<uint8_t>& context, const std::vector<uint8_t>& labels) {
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == data::kVoidLabel) continue;
      counts_[t].pixels += 1;
      counts_[t].adopted += context[i] != 0;
      counts_[t].right += context[i] == labels[i] + 1;
    }
  }

  Array Context(Swap swap, int64_t t, const seg::CissNet::Domain& domain, const Variable& logits, const Array& p_map,
                const std::vector<uint8_t>& labels, const std::vector<std::vector<uint8_t>>& own,
                const autograd::RandomKey& key) {
    seg::ContextChoice choice;
    switch (swap) {
      case Swap::kOwn:
        choice = net_.inference.choice;
        break;
      case Swap::kFull:
        choice.rule = seg::ContextRule::kFull;
        break;
      case Swap::kEmpty:
        choice.rule = seg::ContextRule::kEmpty;
        break;
      case Swap::kConfident:
        choice = {.rule = seg::ContextRule::kConfident, .confidence = kConfidence};
        break;
      case Swap::kRandom: {
        const auto adopted = std::count_if(own[t].begin(), own[t].end(), [](uint8_t k) { return k != 0; });
        choice = {.rule = seg::ContextRule::kRandom,
                  .share = static_cast<double>(adopted) / static_cast<double>(own[t].size())};
        break;
      }
      case Swap::kShuffled: {
        // On the grid of this image, by the nearest pixel.
        std::vector<uint8_t> moved(labels.size());
        const int64_t h = p_map.shape()[1], w = p_map.shape()[2], ph = previous_grid_[1], pw = previous_grid_[2];
        for (int64_t y = 0; y < h; ++y) {
          for (int64_t x = 0; x < w; ++x) moved[y * w + x] = previous_[t][(y * ph / h) * pw + x * pw / w];
        }
        return Array::From(p_map.shape(), moved);
      }
      case Swap::kRight: {
        const std::vector<uint8_t> y = Host(p_map);
        std::vector<uint8_t> right(labels.size());
        for (size_t i = 0; i < labels.size(); ++i) right[i] = y[i] == labels[i] ? y[i] + 1 : 0;
        return Array::From(p_map.shape(), right);
      }
    }
    Array policy;
    if (choice.rule == seg::ContextRule::kAgent) {
      policy = net_.Judge(domain, p_map, {}).policy.array();
      if (t == 0) Adoption(policy, labels);
    } else {
      policy = seg::RulePolicy(choice, logits.array());
    }
    if (swap == Swap::kOwn && t == 0) Judged(logits, p_map, labels);
    return seg::ContextMap(
        p_map, seg::ContextActions(policy,
                                   choice.draws() ? std::optional(key.Split(static_cast<uint64_t>(t))) : std::nullopt));
  }

  // Remembers the probabilities to adopt the labels Y^0.
  void Adoption(const Array& policy, const std::vector<uint8_t>& labels) {
    const std::vector<float> adopt = autograd::Softmax(Variable(policy)).array().ToVector<float>();
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] != data::kVoidLabel) probabilities_.push_back(adopt[2 * i + 1]);
    }
  }

  // Remembers how confident Base is of the labels Y^0, and which of them are right.
  void Judged(const Variable& logits, const Array& p_map, const std::vector<uint8_t>& labels) {
    const std::vector<float> confidence =
        autograd::GatherLast(autograd::Softmax(logits), p_map).array().ToVector<float>();
    const std::vector<uint8_t> y = Host(p_map);
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == data::kVoidLabel) continue;
      confidences_.push_back(confidence[i]);
      right_.push_back(y[i] == labels[i]);
    }
  }

  seg::CissNet& net_;
  const data::Dataset& dataset_;
  const AnalysisOptions& options_;
  std::vector<Counts> counts_;
  std::vector<seg::ConfusionMatrix> confusions_;
  std::vector<float> probabilities_, confidences_;
  std::vector<uint8_t> right_;
  std::vector<std::vector<uint8_t>> previous_;  // the last image's own contexts, by step
  autograd::Shape previous_grid_;
};

}  // namespace

double AreaUnderCurve(const std::vector<float>& scores, const std::vector<uint8_t>& right) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  double wrong_before = 0, pairs = 0, rights = 0, wrongs = 0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    double right_here = 0, wrong_here = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end)
      (right[order[end]] != 0 ? right_here : wrong_here) += 1;
    pairs += right_here * (wrong_before + wrong_here / 2);
    wrong_before += wrong_here;
    rights += right_here;
    wrongs += wrong_here;
    begin = end;
  }
  return rights > 0 && wrongs > 0 ? pairs / (rights * wrongs) : std::numeric_limits<double>::quiet_NaN();
}

std::vector<Score> ContextAnalysis::Scores() const {
  std::vector<Score> scores;
  const auto add = [&](const std::string& name, double value) {
    if (!std::isnan(value)) scores.push_back({name, value});
  };
  if (!steps.empty()) {
    add("adopted", steps[0].adopted);
    add("precision", steps[0].precision);
  }
  add("AUC", auc);
  add("confidence AUC", confidence_auc);
  for (const Score& swap : swaps) add(absl::StrCat("swap ", swap.name), swap.value);
  return scores;
}

std::string ContextAnalysis::ToString() const {
  std::string text = "    context";
  for (size_t t = 0; t < steps.size(); ++t)
    absl::StrAppendFormat(&text, "%s t=%d: %.1f %% adopted, %.1f %% of them right", t == 0 ? "" : ";",
                          static_cast<int>(t), 100 * steps[t].adopted, 100 * steps[t].precision);
  absl::StrAppend(&text, "\n    AUC against what is right:");
  if (!std::isnan(auc)) absl::StrAppendFormat(&text, " policy %.3f,", auc);
  absl::StrAppendFormat(&text, " Base's confidence %.3f\n    mIoU %% with other contexts:", confidence_auc);
  for (const Score& swap : swaps) {
    if (!std::isnan(swap.value)) absl::StrAppendFormat(&text, " %s %.2f", swap.name, 100 * swap.value);
  }
  return text;
}

absl::StatusOr<ContextAnalysis> AnalyseContexts(seg::CissNet& net, const data::Dataset& dataset,
                                                const AnalysisOptions& options) {
  Analysis analysis(net, dataset, options);
  const int64_t images = options.limit > 0 ? std::min(options.limit, dataset.size()) : dataset.size();
  for (int64_t i = 0; i < images; ++i) {
    if (absl::Status status = analysis.Add(i); !status.ok()) return status;
  }
  return analysis.Result();
}

}  // namespace experiments::ciss
