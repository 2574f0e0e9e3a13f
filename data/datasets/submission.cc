#include "data/datasets/submission.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/error.h"
#include "data/formats/png.h"

namespace data {

LabelMap StoredLabels(const DatasetInfo& info, const LabelMap& prediction) {
  LabelMap stored = prediction;
  for (uint8_t& value : stored.values) {
    if (value == info.void_label) continue;
    autograd::Require(value < info.num_classes(), "StoredLabels", "value ", int{value}, " of ", info.num_classes(),
                      " classes");
    if (!info.stored_values.empty()) value = info.stored_values[value];
  }
  return stored;
}

absl::Status WriteSubmission(const std::string& folder, const DatasetInfo& info, const std::string& id,
                             const LabelMap& prediction) {
  const std::string path = absl::StrCat(folder, "/", id, ".png");
  const LabelMap stored = StoredLabels(info, prediction);
  if (!info.palette_files) return WriteLabelPng(path, stored);
  std::vector<Color> palette;
  for (int train_id = 0; train_id < info.num_classes(); ++train_id) {
    const size_t value = info.stored_values.empty() ? train_id : info.stored_values[train_id];
    if (palette.size() <= value) palette.resize(value + 1);
    palette[value] = info.palette[train_id];
  }
  return WritePalettePng(path, stored, palette);
}

}  // namespace data
