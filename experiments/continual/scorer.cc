#include "experiments/continual/scorer.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

namespace experiments::continual {

std::vector<Score> ContinualScorer::Scores() const {
  const auto mean = [&](int first, int last) { return confusion().MeanIou(seg::ClassSet::kTruth, first, last); };
  std::vector<Score> scores;
  const std::pair<const char*, double> continual[] = {
      {"all", mean(0, -1)},
      {"old", mean(0, first_)},
      {"new", confusion().classes() > first_ ? mean(first_, -1) : std::numeric_limits<double>::quiet_NaN()}};
  for (const auto& [name, value] : continual) {
    if (std::isfinite(value)) scores.push_back({name, value});
  }
  for (Score& score : Scorer::Scores()) scores.push_back(std::move(score));
  return scores;
}

std::vector<std::string> ContinualScorer::Names() const {
  std::vector<std::string> names = {"all", "old", "new"};
  for (std::string& name : Scorer::Names()) names.push_back(std::move(name));
  return names;
}

std::vector<double> IouOfLabels(std::vector<double> class_iou, const std::vector<int64_t>& label_pixels) {
  for (size_t k = 0; k < class_iou.size(); ++k) {
    if (label_pixels[k] == 0) class_iou[k] = std::numeric_limits<double>::quiet_NaN();
  }
  return class_iou;
}

double Forgetting(const ClassHistory& history, const std::vector<int>& first_class) {
  double sum = 0;
  int count = 0;
  for (size_t task = 0; task + 1 < history.size(); ++task) {
    const auto end = static_cast<size_t>(first_class[task + 1]);
    for (auto k = static_cast<size_t>(first_class[task]); k < end; ++k) {
      const double lost = history[task][k] - history.back()[k];
      if (!std::isfinite(lost)) continue;
      sum += lost;
      ++count;
    }
  }
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace experiments::continual
