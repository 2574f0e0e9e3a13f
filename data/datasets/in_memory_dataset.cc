#include "data/datasets/in_memory_dataset.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace data {

InMemoryDataset::InMemoryDataset(DatasetInfo info, std::vector<Sample> samples)
    : info_(std::move(info)), samples_(std::move(samples)) {}

absl::StatusOr<std::unique_ptr<InMemoryDataset>> InMemoryDataset::Create(DatasetInfo info,
                                                                         std::vector<Sample> samples) {
  for (size_t i = 0; i < samples.size(); ++i) {
    Sample& sample = samples[i];
    sample.index = static_cast<int64_t>(i);
    if (sample.image.height != sample.label.height || sample.image.width != sample.label.width) {
      return absl::InvalidArgumentError(
          absl::StrCat("sample ", i, " of ", info.name, ": the image is ", sample.image.width, " x ",
                       sample.image.height, " but the label map ", sample.label.width, " x ", sample.label.height));
    }
    for (const uint8_t value : sample.label.values) {
      if (value >= info.num_classes() && value != info.void_label) {
        return absl::InvalidArgumentError(absl::StrCat("sample ", i, " of ", info.name, ": label value ", value,
                                                       ", but there are ", info.num_classes(), " classes"));
      }
    }
  }
  return std::unique_ptr<InMemoryDataset>(new InMemoryDataset(std::move(info), std::move(samples)));
}

absl::StatusOr<std::unique_ptr<InMemoryDataset>> InMemoryDataset::Copy(const Dataset& dataset, int64_t limit) {
  std::vector<Sample> samples;
  for (int64_t i = 0; i < std::min(limit, dataset.size()); ++i) {
    absl::StatusOr<Sample> sample = dataset.Load(i);
    if (!sample.ok()) return sample.status();
    samples.push_back(*std::move(sample));
  }
  return Create(dataset.info(), std::move(samples));
}

absl::StatusOr<Sample> InMemoryDataset::Load(int64_t index) const {
  if (index < 0 || index >= size()) {
    return absl::OutOfRangeError(absl::StrCat("sample ", index, " of ", info_.name, ", which has ", size()));
  }
  return samples_[index];
}

}  // namespace data
