#include "experiments/continual/task_data.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace experiments::continual {
namespace {

std::vector<bool> Present(const std::bitset<256>& labels, int train_ids) {
  std::vector<bool> present(static_cast<size_t>(train_ids));
  for (size_t i = 0; i < present.size(); ++i) present[i] = labels[i];
  return present;
}

}  // namespace

absl::StatusOr<std::vector<std::bitset<256>>> ClassesOfImages(const data::Dataset& dataset, int threads,
                                                              const std::function<bool()>& interrupted) {
  const int64_t images = dataset.size();
  std::vector<std::bitset<256>> classes(static_cast<size_t>(images));
  std::atomic<int64_t> next = 0;
  std::atomic<bool> stop = false;
  std::mutex mutex;
  int64_t failed = images;
  absl::Status error;
  const auto work = [&] {
    for (int64_t i = next++; i < images && !stop; i = next++) {
      if (interrupted != nullptr && interrupted()) {
        stop = true;
        return;
      }
      const absl::StatusOr<data::Sample> sample = dataset.Load(i);
      if (!sample.ok()) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (i < failed) {
          failed = i;
          error = sample.status();
        }
        return;  // other threads may still meet an earlier one
      }
      for (const uint8_t label : sample->label.values) classes[static_cast<size_t>(i)].set(label);
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  if (stop) return absl::CancelledError("the look at the images' classes was interrupted");
  if (!error.ok()) return error;
  return classes;
}

absl::StatusOr<data::Sample> TaskDataset::Load(int64_t index) const {
  if (index < 0 || index >= size())
    return absl::OutOfRangeError(absl::StrCat(info_.name, " has ", size(), " images here, not ", index + 1));
  absl::StatusOr<data::Sample> sample = base_.Load(images_[static_cast<size_t>(index)]);
  if (!sample.ok()) return sample;
  for (uint8_t& label : sample->label.values) label = table_[label];
  sample->index = index;
  return sample;
}

absl::StatusOr<TaskData> TaskData::Create(const seg::ContinualProtocol& protocol, const data::Dataset& training,
                                          const data::Dataset& validation, seg::ContinualSetting setting, int threads,
                                          const std::function<bool()>& interrupted) {
  TaskData tasks(protocol, training, validation);
  for (const bool trains : {true, false}) {
    const absl::StatusOr<std::vector<std::bitset<256>>> classes =
        ClassesOfImages(trains ? training : validation, threads, interrupted);
    if (!classes.ok()) return classes.status();
    for (int task = 0; task < protocol.steps(); ++task) {
      std::vector<int64_t> images;
      for (size_t i = 0; i < classes->size(); ++i) {
        const std::vector<bool> present = Present((*classes)[i], protocol.TrainIds());
        const bool in = trains ? protocol.InStep(present, task, setting) : protocol.InTest(present, task);
        if (in) images.push_back(static_cast<int64_t>(i));
      }
      if (images.empty())
        return absl::FailedPreconditionError(absl::StrCat(training.info().name, ": no ",
                                                          trains ? "training" : "validation", " image belongs to task ",
                                                          task + 1, " of the protocol ", protocol.name));
      (trains ? tasks.training_images_ : tasks.validation_images_).push_back(std::move(images));
    }
  }
  return tasks;
}

data::DatasetInfo TaskData::InfoAfter(int task) const {
  const data::DatasetInfo& all = training_->info();
  data::DatasetInfo info = all;
  info.class_names.clear();
  info.palette.clear();
  info.stored_values.clear();
  const std::vector<int> order = protocol_.Order();
  for (int label = 0; label < protocol_.Seen(task); ++label) {
    const int id =
        protocol_.background_added ? order[static_cast<size_t>(label)] - 1 : order[static_cast<size_t>(label)];
    const auto i = static_cast<size_t>(std::max(id, 0));
    info.class_names.push_back(id < 0 ? "other" : all.class_names[i]);
    info.palette.push_back(id < 0 ? data::Color{0, 0, 0} : all.palette[i]);
    // ADE20K's files store 0 for what no class is; CamVid's have nothing for it but void.
    info.stored_values.push_back(id >= 0                        ? all.stored_values[i]
                                 : protocol_.void_is_background ? uint8_t{0}
                                                                : all.void_label);
  }
  return info;
}

std::unique_ptr<data::Dataset> TaskData::Training(int task, seg::VoidPixels void_pixels) const {
  return std::make_unique<TaskDataset>(*training_, training_images_[static_cast<size_t>(task)],
                                       protocol_.TrainingLabels(task, void_pixels), InfoAfter(task));
}

std::unique_ptr<data::Dataset> TaskData::Validation(int task) const {
  return std::make_unique<TaskDataset>(*validation_, validation_images_[static_cast<size_t>(task)],
                                       protocol_.TestLabels(task), InfoAfter(task));
}

std::string TaskData::Description() const {
  std::vector<size_t> counts;
  for (const std::vector<int64_t>& images : training_images_) counts.push_back(images.size());
  return absl::StrCat(protocol_.name, ": ", counts.size(), counts.size() == 1 ? " task" : " tasks", " of ",
                      absl::StrJoin(counts, ", "), " training images");
}

}  // namespace experiments::continual
