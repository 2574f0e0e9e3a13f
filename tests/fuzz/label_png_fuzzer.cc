// data::DecodeLabelPng and data::DecodeIndexPng on any bytes: they agree wherever the values fit eight bits.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "autograd/runtime/error.h"
#include "data/formats/png.h"
#include "tests/fuzz/png_checksums.h"

namespace {

void Decode(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<data::IndexMap> indices = data::DecodeIndexPng(bytes);
  const absl::StatusOr<data::LabelMap> labels = data::DecodeLabelPng(bytes);
  const bool narrow = indices.ok() && std::all_of(indices->values.begin(), indices->values.end(),
                                                  [](uint16_t value) { return value <= 255; });
  autograd::Require(labels.ok() == narrow, "DecodeLabelPng", "accepts other files than DecodeIndexPng");
  if (!labels.ok()) return;
  autograd::Require(labels->values.size() == size_t{1} * labels->height * labels->width, "DecodeLabelPng",
                    labels->values.size(), " values for ", labels->height, " x ", labels->width);
  autograd::Require(
      std::equal(labels->values.begin(), labels->values.end(), indices->values.begin(), indices->values.end()),
      "DecodeLabelPng", "differs from DecodeIndexPng");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Decode(data, size);
  const std::vector<uint8_t> repaired = fuzz::WithRightChecksums(data, size);
  Decode(repaired.data(), repaired.size());
  return 0;
}
