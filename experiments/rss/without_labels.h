#pragma once

#include <algorithm>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace experiments::rss {

// A dataset whose labels nobody sees: every pixel is void. With a reward from outside, neither the learner nor the choice of the
// training crops can depend on a label then.
class WithoutLabels : public data::Dataset {
 public:
  // `base` must outlive it.
  explicit WithoutLabels(const data::Dataset& base) : base_(base) {}
  const data::DatasetInfo& info() const override { return base_.info(); }
  int64_t size() const override { return base_.size(); }
  absl::StatusOr<data::Sample> Load(int64_t index) const override {
    absl::StatusOr<data::Sample> sample = base_.Load(index);
    if (sample.ok()) std::fill(sample->label.values.begin(), sample->label.values.end(), data::kVoidLabel);
    return sample;
  }

 private:
  const data::Dataset& base_;
};

}  // namespace experiments::rss
