#include "data/datasets/file_dataset.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "autograd/runtime/atomic_file.h"
#include "data/formats/read_image.h"

namespace data {

LabelEncoding EncodingOf(const DatasetInfo& info, const std::vector<uint8_t>& void_values) {
  LabelEncoding encoding;
  encoding.fill(kInvalidValue);
  for (size_t id = 0; id < info.stored_values.size(); ++id) {
    encoding[info.stored_values[id]] = static_cast<int16_t>(id);
  }
  for (const uint8_t value : void_values) encoding[value] = info.void_label;
  return encoding;
}

FileDataset::FileDataset(DatasetInfo info, LabelEncoding encoding, std::vector<SampleFiles> files)
    : info_(std::move(info)), encoding_(encoding), files_(std::move(files)) {}

absl::StatusOr<std::unique_ptr<Dataset>> FileDataset::Create(DatasetInfo info, LabelEncoding encoding,
                                                             std::vector<SampleFiles> files) {
  for (const SampleFiles& sample : files) {
    for (const std::string* path : {&sample.image, &sample.label}) {
      std::error_code ignored;
      if (std::filesystem::exists(*path, ignored)) continue;
      return absl::NotFoundError(absl::StrCat(path == &sample.image ? "image '" : "label map '", *path, "' of sample ",
                                              sample.id, " does not exist (", info.name, ", split ", info.split, ")"));
    }
  }
  return std::unique_ptr<Dataset>(new FileDataset(std::move(info), encoding, std::move(files)));
}

absl::StatusOr<Sample> FileDataset::Load(int64_t index) const {
  if (index < 0 || index >= size()) {
    return absl::OutOfRangeError(absl::StrCat("sample ", index, " of ", info_.name, ", which has ", size()));
  }
  const SampleFiles& files = files_[index];
  absl::StatusOr<Image> image = ReadImage(files.image);
  if (!image.ok()) return image.status();
  absl::StatusOr<LabelMap> label = ReadLabelMap(files.label);
  if (!label.ok()) return label.status();
  if (label->height != image->height || label->width != image->width) {
    return absl::InvalidArgumentError(absl::StrCat("'", files.label, "': the label map is ", label->width, " x ",
                                                   label->height, " but its image '", files.image, "' is ",
                                                   image->width, " x ", image->height));
  }
  for (size_t i = 0; i < label->values.size(); ++i) {
    const int16_t train_id = encoding_[label->values[i]];
    if (train_id == kInvalidValue) {
      return absl::InvalidArgumentError(absl::StrCat("'", files.label, "': label value ", label->values[i], " at row ",
                                                     i / label->width, ", column ", i % label->width,
                                                     " does not occur in ", info_.name));
    }
    label->values[i] = static_cast<uint8_t>(train_id);
  }
  return Sample{*std::move(image), *std::move(label), files.id, index};
}

absl::StatusOr<std::vector<std::vector<std::string>>> ReadList(const std::string& path, int fields) {
  absl::StatusOr<std::string> text = autograd::ReadFile(path);
  if (!text.ok())
    return absl::Status(text.status().code(), absl::StrCat("list of the split: ", text.status().message()));
  std::vector<std::vector<std::string>> entries;
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++line_number;
    std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    if (static_cast<int>(words.size()) != fields) {
      return absl::InvalidArgumentError(absl::StrCat("'", path, "', line ", line_number, ": expected ", fields,
                                                     fields == 1 ? " field" : " fields", ", found ", words.size(),
                                                     ": '", absl::StripAsciiWhitespace(line), "'"));
    }
    entries.push_back(std::move(words));
  }
  if (entries.empty()) return absl::InvalidArgumentError(absl::StrCat("'", path, "' lists no sample"));
  return entries;
}

absl::Status CheckDataRoot(const std::string& folder, const std::string& dataset) {
  if (folder.empty()) return absl::InvalidArgumentError(absl::StrCat(dataset, " needs a data root"));
  std::error_code ignored;
  if (std::filesystem::is_directory(folder, ignored)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("data root '", folder, "' of ", dataset, " is not a folder"));
}

}  // namespace data
