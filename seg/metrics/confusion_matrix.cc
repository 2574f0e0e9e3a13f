#include "seg/metrics/confusion_matrix.h"

#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>

#include "autograd/runtime/error.h"
#include "autograd/runtime/parallel.h"

namespace seg {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double Ratio(int64_t numerator, int64_t denominator) {
  return denominator == 0 ? kNone : static_cast<double>(numerator) / static_cast<double>(denominator);
}

// Counts are whole numbers, so the order in which threads add theirs does not matter.
template <typename Label>
void Count(std::span<const uint8_t> truth, std::span<const Label> prediction, int classes,
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
      const uint64_t predicted = static_cast<uint64_t>(static_cast<int64_t>(prediction[i]));
      ++local[label * width + static_cast<int64_t>(predicted < static_cast<uint64_t>(classes) ? predicted : classes)];
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
void ConfusionMatrix::Add(std::span<const uint8_t> truth, std::span<const int32_t> prediction) {
  Count(truth, prediction, classes_, counts_);
}
void ConfusionMatrix::Add(std::span<const uint8_t> truth, std::span<const int64_t> prediction) {
  Count(truth, prediction, classes_, counts_);
}

void ConfusionMatrix::Add(const autograd::Array& truth, const autograd::Array& prediction) {
  autograd::Require(truth.shape() == prediction.shape(), "ConfusionMatrix", "truth is ", truth.shape(),
                    " but prediction ", prediction.shape());
  const std::vector<uint8_t> labels = truth.ToVector<uint8_t>();
  switch (prediction.dtype()) {
    case autograd::DType::kUInt8:
      return Add(labels, std::span<const uint8_t>(prediction.ToVector<uint8_t>()));
    case autograd::DType::kInt32:
      return Add(labels, std::span<const int32_t>(prediction.ToVector<int32_t>()));
    case autograd::DType::kInt64:
      return Add(labels, std::span<const int64_t>(prediction.ToVector<int64_t>()));
    default:
      autograd::Fail("ConfusionMatrix", "prediction is ", prediction.dtype(), " but must be labels");
  }
}

void ConfusionMatrix::Add(const ConfusionMatrix& other) {
  autograd::Require(classes_ == other.classes_, "ConfusionMatrix", "adds ", other.classes_, " classes to ", classes_);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

int64_t ConfusionMatrix::pixels() const { return std::accumulate(counts_.begin(), counts_.end(), int64_t{0}); }

ConfusionMatrix::Totals ConfusionMatrix::ComputeTotals() const {
  Totals totals{std::vector<int64_t>(classes_), std::vector<int64_t>(classes_)};
  for (int truth = 0; truth < classes_; ++truth) {
    for (int prediction = 0; prediction <= classes_; ++prediction) {
      totals.truth[truth] += count(truth, prediction);
      if (prediction < classes_) totals.prediction[prediction] += count(truth, prediction);
    }
  }
  return totals;
}

bool ConfusionMatrix::InSet(int label, ClassSet set) const {
  if (set == ClassSet::kAll) return true;
  for (int other = 0; other <= classes_; ++other) {
    if (count(label, other) > 0) return true;
    if (set == ClassSet::kUnion && other < classes_ && count(other, label) > 0) return true;
  }
  return false;
}

std::vector<double> ConfusionMatrix::ClassIou() const {
  const Totals totals = ComputeTotals();
  std::vector<double> scores(classes_);
  for (int k = 0; k < classes_; ++k)
    scores[k] = Ratio(count(k, k), totals.truth[k] + totals.prediction[k] - count(k, k));
  return scores;
}

std::vector<double> ConfusionMatrix::ClassAccuracies() const {
  const Totals totals = ComputeTotals();
  std::vector<double> scores(classes_);
  for (int k = 0; k < classes_; ++k) scores[k] = Ratio(count(k, k), totals.truth[k]);
  return scores;
}

std::vector<double> ConfusionMatrix::ClassDice() const {
  const Totals totals = ComputeTotals();
  std::vector<double> scores(classes_);
  for (int k = 0; k < classes_; ++k) scores[k] = Ratio(2 * count(k, k), totals.truth[k] + totals.prediction[k]);
  return scores;
}

double ConfusionMatrix::PixelAccuracy() const {
  int64_t right = 0;
  for (int k = 0; k < classes_; ++k) right += count(k, k);
  return Ratio(right, pixels());
}

double ConfusionMatrix::MeanOver(const std::vector<double>& scores, ClassSet set, int first, int last) const {
  last = last < 0 ? classes_ : last;
  autograd::Require(first >= 0 && first <= last && last <= classes_, "ConfusionMatrix", "classes [", first, ", ", last,
                    ") of ", classes_);
  double sum = 0;
  int64_t counted = 0;
  for (int k = first; k < last; ++k) {
    if (!InSet(k, set)) continue;
    if (!std::isnan(scores[k])) sum += scores[k];
    ++counted;
  }
  return counted == 0 ? kNone : sum / static_cast<double>(counted);
}

double ConfusionMatrix::ClassAccuracy() const { return MeanOver(ClassAccuracies(), ClassSet::kTruth, 0, -1); }

double ConfusionMatrix::FrequencyWeightedIou() const {
  const Totals totals = ComputeTotals();
  const std::vector<double> iou = ClassIou();
  const int64_t all = pixels();
  double sum = 0;
  for (int k = 0; k < classes_; ++k) {
    if (totals.truth[k] > 0) sum += Ratio(totals.truth[k], all) * iou[k];
  }
  return all == 0 ? kNone : sum;
}

double ConfusionMatrix::MeanIou(ClassSet set, int first, int last) const {
  return MeanOver(ClassIou(), set, first, last);
}
double ConfusionMatrix::MeanDice(ClassSet set, int first, int last) const {
  return MeanOver(ClassDice(), set, first, last);
}

}  // namespace seg
