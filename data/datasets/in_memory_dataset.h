// Samples held in memory: for tests, and for small sets that are decoded once.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

class InMemoryDataset : public Dataset {
 public:
  // Sets the samples' indices to their positions. InvalidArgument if a label map differs from its image in
  // size or holds a value that is neither a class of `info` nor void.
  static absl::StatusOr<std::unique_ptr<InMemoryDataset>> Create(DatasetInfo info, std::vector<Sample> samples);

  // Decodes samples 0 .. limit-1 of `dataset` (all of them if it has fewer).
  static absl::StatusOr<std::unique_ptr<InMemoryDataset>> Copy(const Dataset& dataset, int64_t limit);

  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  absl::StatusOr<Sample> Load(int64_t index) const override;

 private:
  InMemoryDataset(DatasetInfo info, std::vector<Sample> samples);

  const DatasetInfo info_;
  const std::vector<Sample> samples_;
};

}  // namespace data
