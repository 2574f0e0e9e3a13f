#pragma once

// What a task of a continual protocol (seg/continual/protocol.h, where a task is a step) shows of a dataset: which
// images, and which labels.

#include <array>
#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"
#include "seg/continual/protocol.h"

namespace experiments::continual {

using LabelTable = std::array<uint8_t, 256>;

// The train ids that each image's label map shows. Label maps are read by `threads` threads. Cancelled where
// `interrupted` says so; else the error of the first image that cannot be read.
absl::StatusOr<std::vector<std::bitset<256>>> ClassesOfImages(const data::Dataset& dataset, int threads,
                                                              const std::function<bool()>& interrupted);

// Some images of a dataset with their labels passed through a table.
class TaskDataset : public data::Dataset {
 public:
  // `images` are indices in `base`, which must outlive the dataset; `info` describes the labels that `table` gives.
  TaskDataset(const data::Dataset& base, std::vector<int64_t> images, const LabelTable& table, data::DatasetInfo info)
      : base_(base), images_(std::move(images)), table_(table), info_(std::move(info)) {}

  const data::DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return static_cast<int64_t>(images_.size()); }
  absl::StatusOr<data::Sample> Load(int64_t index) const override;

 private:
  const data::Dataset& base_;
  const std::vector<int64_t> images_;
  const LabelTable table_;
  const data::DatasetInfo info_;
};

// The protocol's tasks over one dataset's training and validation images.
class TaskData {
 public:
  // Looks at all labels. The datasets must outlive what is made of them. The same errors as ClassesOfImages, and
  // FailedPrecondition, naming the task, where one has no training image.
  static absl::StatusOr<TaskData> Create(const seg::ContinualProtocol& protocol, const data::Dataset& training,
                                         const data::Dataset& validation, seg::ContinualSetting setting, int threads,
                                         const std::function<bool()>& interrupted);

  const seg::ContinualProtocol& protocol() const { return protocol_; }
  // Of the classes taught up to task `task`, by their labels. A background that the protocol adds is called "other".
  data::DatasetInfo InfoAfter(int task) const;
  // Images with a class of the task; labels of earlier and later classes are background.
  std::unique_ptr<data::Dataset> Training(int task, seg::VoidPixels void_pixels = seg::VoidPixels::kVoid) const;
  // Images with a class seen so far; labels of later classes are background.
  std::unique_ptr<data::Dataset> Validation(int task) const;
  int64_t TrainingImages(int task) const {
    return static_cast<int64_t>(training_images_[static_cast<size_t>(task)].size());
  }
  // How many training images each task has, for people.
  std::string Description() const;

 private:
  TaskData(const seg::ContinualProtocol& protocol, const data::Dataset& training, const data::Dataset& validation)
      : protocol_(protocol), training_(&training), validation_(&validation) {}

  seg::ContinualProtocol protocol_;
  const data::Dataset *training_, *validation_;
  std::vector<std::vector<int64_t>> training_images_, validation_images_;  // by task
};

}  // namespace experiments::continual
