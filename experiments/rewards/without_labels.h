#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace experiments {

// A dataset whose labels nobody sees: every pixel is void. With a reward from outside, neither the learner nor the
// choice of the training crops can depend on a label then.
class WithoutLabels : public data::Dataset {
 public:
  explicit WithoutLabels(std::unique_ptr<data::Dataset> base) : base_(std::move(base)) {}
  const data::DatasetInfo& info() const override { return base_->info(); }
  int64_t size() const override { return base_->size(); }
  std::vector<data::MissingFile> Missing() const override { return base_->Missing(); }
  std::vector<std::string> Notes() const override { return base_->Notes(); }
  absl::Status CheckFiles(const std::function<bool()>& interrupted) const override {
    return base_->CheckFiles(interrupted);
  }
  absl::StatusOr<data::Sample> Load(int64_t index) const override {
    absl::StatusOr<data::Sample> sample = base_->Load(index);
    if (sample.ok()) std::fill(sample->label.values.begin(), sample->label.values.end(), data::kVoidLabel);
    return sample;
  }

 private:
  const std::unique_ptr<data::Dataset> base_;
};

}  // namespace experiments
