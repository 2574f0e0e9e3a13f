// The middle squares of a dataset's samples, on which PLOP scores its networks (Douillard et al., "PLOP: learning
// without forgetting for continual semantic segmentation", CVPR 2021). Scores on whole images are others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

// Image and label are resized so that the short side has `side` pixels and the long one ⌊side·long/short⌋, by
// ResizeImage and ResizeLabel (transforms/resize.h); the middle side x side of both stays, odd rests going to the
// bottom and right. Everything else is the base's.
class CenterCropView : public Dataset {
 public:
  // side > 0.
  CenterCropView(std::unique_ptr<Dataset> base, int side);

  const DatasetInfo& info() const override { return base_->info(); }
  int64_t size() const override { return base_->size(); }
  absl::StatusOr<Sample> Load(int64_t index) const override;
  std::vector<MissingFile> Missing() const override { return base_->Missing(); }
  std::vector<std::string> Notes() const override { return base_->Notes(); }
  absl::Status CheckFiles(const std::function<bool()>& interrupted = nullptr) const override {
    return base_->CheckFiles(interrupted);
  }

 private:
  const std::unique_ptr<Dataset> base_;
  const int side_;
};

}  // namespace data
