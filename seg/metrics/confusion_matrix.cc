#include "seg/metrics/confusion_matrix.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <numeric>

#include "autograd/runtime/error.h"
#include "autograd/runtime/parallel.h"

namespace seg {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Counts are whole numbers, so the order in which threads add theirs does not matter.
void Count(std::span<const uint8_t> truth, std::span<const uint8_t> prediction, int classes,
           std::vector<int64_t>& counts) {
  autograd::Require(truth.size() == prediction.size(), "ConfusionMatrix", truth.size(), " truths and ",
                    prediction.size(), " predictions");
  std::mutex mutex;
  const int64_t width = classes + 1;
  autograd::ParallelFor(static_cast<int64_t>(truth.size()), 1 << 17, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> local(counts.size());
    for (int64_t i = begin; i < end; ++i) {
      const int label = truth[i];
      if (label >= classes) [[unlikely]] {
        autograd::Require(label == kVoid, "ConfusionMatrix", "pixel ", i, " has the true label ", label, " of ",
                          classes, " classes");
        continue;
      }
      ++local[label * width + std::min<int64_t>(prediction[i], classes)];
    }
    const std::lock_guard<std::mutex> lock(mutex);
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += local[i];
  });
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(int classes)
    : classes_(classes), counts_(static_cast<size_t>(classes) * (classes + 1)) {
  autograd::Require(classes > 0 && classes <= kVoid, "ConfusionMatrix", classes, " classes");
}

void ConfusionMatrix::Add(std::span<const uint8_t> truth, std::span<const uint8_t> prediction) {
  Count(truth, prediction, classes_, counts_);
}

void ConfusionMatrix::Add(const autograd::Array& truth, const autograd::Array& prediction) {
  autograd::Require(truth.shape() == prediction.shape(), "ConfusionMatrix", "truth is ", truth.shape(),
                    " but prediction ", prediction.shape());
  Add(truth.ToVector<uint8_t>(), std::span<const uint8_t>(prediction.ToVector<uint8_t>()));
}

void ConfusionMatrix::Add(const ConfusionMatrix& other) {
  autograd::Require(classes_ == other.classes_, "ConfusionMatrix", "adds ", other.classes_, " classes to ", classes_);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

int64_t ConfusionMatrix::pixels() const { return std::accumulate(counts_.begin(), counts_.end(), int64_t{0}); }

std::vector<ClassCounts> ConfusionMatrix::ByClass() const {
  std::vector<ClassCounts> by_class(classes_);
  for (int truth = 0; truth < classes_; ++truth) {
    by_class[truth].hits = count(truth, truth);
    for (int prediction = 0; prediction <= classes_; ++prediction) {
      by_class[truth].truth += count(truth, prediction);
      if (prediction < classes_) by_class[prediction].prediction += count(truth, prediction);
    }
  }
  return by_class;
}

std::vector<double> ConfusionMatrix::ClassIou() const {
  std::vector<double> scores;
  for (const ClassCounts& counts : ByClass()) scores.push_back(counts.Iou());
  return scores;
}

std::vector<double> ConfusionMatrix::ClassAccuracies() const {
  std::vector<double> scores;
  for (const ClassCounts& counts : ByClass()) scores.push_back(counts.Accuracy());
  return scores;
}

std::vector<double> ConfusionMatrix::ClassDice() const {
  std::vector<double> scores;
  for (const ClassCounts& counts : ByClass()) scores.push_back(counts.Dice());
  return scores;
}

double ConfusionMatrix::PixelAccuracy() const {
  int64_t right = 0;
  for (int k = 0; k < classes_; ++k) right += count(k, k);
  return Ratio(right, pixels());
}

double ConfusionMatrix::MeanOver(double (ClassCounts::*score)() const, ClassSet set, int first, int last) const {
  last = last < 0 ? classes_ : last;
  autograd::Require(first >= 0 && first <= last && last <= classes_, "ConfusionMatrix", "classes [", first, ", ", last,
                    ") of ", classes_);
  const std::vector<ClassCounts> by_class = ByClass();
  return MeanOverClasses(std::span(by_class).subspan(first, last - first), set, score).value_or(kNone);
}

double ConfusionMatrix::ClassAccuracy() const { return MeanOver(&ClassCounts::Accuracy, ClassSet::kTruth, 0, -1); }

double ConfusionMatrix::FrequencyWeightedIou() const {
  const int64_t all = pixels();
  double sum = 0;
  for (const ClassCounts& counts : ByClass()) {
    if (counts.truth > 0) sum += Ratio(counts.truth, all) * counts.Iou();
  }
  return all == 0 ? kNone : sum;
}

double ConfusionMatrix::MeanIou(ClassSet set, int first, int last) const {
  return MeanOver(&ClassCounts::Iou, set, first, last);
}
double ConfusionMatrix::MeanDice(ClassSet set, int first, int last) const {
  return MeanOver(&ClassCounts::Dice, set, first, last);
}

}  // namespace seg
