// Predictions as files that a dataset's evaluation server (and its official program) takes.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

// The prediction in the values of the dataset's own label files: train id k becomes info.stored_values[k]; void stays.
// Throws autograd::Error if a value is neither a class nor void.
LabelMap StoredLabels(const DatasetInfo& info, const LabelMap& prediction);

// Writes <folder>/<id>.png: StoredLabels() as an 8-bit index PNG, with the dataset's palette where its label files have
// one (VOC, Mapillary), else grey (Cityscapes: label ids). These are the names the servers expect: VOC's <id>.png, and
// for Cityscapes one file that starts with <city>_<sequence>_<frame>.
absl::Status WriteSubmission(const std::string& folder, const DatasetInfo& info, const std::string& id,
                             const LabelMap& prediction);

}  // namespace data
