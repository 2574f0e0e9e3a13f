#include "experiments/continual/task_data.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/data.h"

namespace experiments::continual {
namespace {

// Images of 1×4 pixels with these labels of `classes` classes.
std::unique_ptr<data::InMemoryDataset> Images(int classes, const std::vector<std::vector<uint8_t>>& labels) {
  data::DatasetInfo info;
  info.name = "tiny";
  for (int k = 0; k < classes; ++k) {
    info.class_names.push_back(absl::StrCat("class ", k));
    info.palette.push_back({static_cast<uint8_t>(k), 0, 0});
    info.stored_values.push_back(static_cast<uint8_t>(k));
  }
  std::vector<data::Sample> samples;
  for (const std::vector<uint8_t>& values : labels) {
    data::Sample sample;
    sample.image = data::Image(1, static_cast<int>(values.size()));
    sample.label = data::LabelMap(1, static_cast<int>(values.size()));
    sample.label.values = values;
    sample.id = absl::StrCat("image ", samples.size());
    samples.push_back(std::move(sample));
  }
  return *data::InMemoryDataset::Create(std::move(info), std::move(samples));
}

seg::ContinualProtocol Protocol(std::vector<std::vector<int>> tasks, int classes) {
  seg::ContinualProtocol protocol;
  protocol.name = "2-1";
  protocol.classes = classes;
  protocol.tasks = std::move(tasks);
  return protocol;
}

std::vector<std::string> Ids(const data::Dataset& dataset) {
  std::vector<std::string> ids;
  for (int64_t i = 0; i < dataset.size(); ++i) ids.push_back(dataset.Load(i)->id);
  return ids;
}

const std::vector<std::vector<uint8_t>> kLabels = {
    {0, 0, 1, 255}, {0, 2, 2, 3}, {0, 3, 1, 0}, {0, 0, 0, 0}, {1, 1, 2, 2}};

TEST(TaskData, ImagesAreThoseOfTheTaskAndLabelsShowItAlone) {
  const std::unique_ptr<data::InMemoryDataset> images = Images(4, kLabels);
  const absl::StatusOr<TaskData> data = TaskData::Create(Protocol({{0, 1}, {2}, {3}}, 4), *images, *images,
                                                         seg::ContinualSetting::kOverlapped, 2, nullptr);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(Ids(*data->Training(0)), (std::vector<std::string>{"image 0", "image 2", "image 4"}));
  EXPECT_EQ(Ids(*data->Training(1)), (std::vector<std::string>{"image 1", "image 4"}));
  EXPECT_EQ(Ids(*data->Training(2)), (std::vector<std::string>{"image 1", "image 2"}));
  EXPECT_EQ(Ids(*data->Validation(1)), (std::vector<std::string>{"image 0", "image 1", "image 2", "image 4"}));
  EXPECT_EQ(data->Training(1)->Load(0)->label.values, (std::vector<uint8_t>{0, 2, 2, 0}));
  EXPECT_EQ(data->Training(1)->Load(1)->label.values, (std::vector<uint8_t>{0, 0, 2, 2}));
  EXPECT_EQ(data->Training(0)->Load(0)->label.values, (std::vector<uint8_t>{0, 0, 1, 255}));
  EXPECT_EQ(data->Validation(1)->Load(1)->label.values, (std::vector<uint8_t>{0, 2, 2, 0}));
  EXPECT_EQ(data->Validation(2)->Load(1)->label.values, (std::vector<uint8_t>{0, 2, 2, 3}));
  EXPECT_EQ(data->InfoAfter(1).class_names, (std::vector<std::string>{"class 0", "class 1", "class 2"}));
  EXPECT_EQ(data->Training(0)->Load(3).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(data->Description(), "2-1: 3 tasks of 3, 2, 2 training images");
}

TEST(TaskData, DisjointTasksHaveNoImageWithALaterClass) {
  const std::unique_ptr<data::InMemoryDataset> images = Images(4, kLabels);
  const absl::StatusOr<TaskData> data =
      TaskData::Create(Protocol({{0, 1}, {2}, {3}}, 4), *images, *images, seg::ContinualSetting::kDisjoint, 1, nullptr);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(Ids(*data->Training(0)), (std::vector<std::string>{"image 0"}));
  EXPECT_EQ(Ids(*data->Training(1)), (std::vector<std::string>{"image 4"}));
  EXPECT_EQ(Ids(*data->Training(2)), (std::vector<std::string>{"image 1", "image 2"}));
}

// Class 2 of the protocol is the dataset's class 1, and comes before the dataset's class 0.
TEST(TaskData, ABackgroundIsAddedAndLabelsFollowTheOrderOfAppearance) {
  const std::unique_ptr<data::InMemoryDataset> images = Images(2, {{0, 1, 255, 1}, {1, 1, 1, 1}});
  seg::ContinualProtocol protocol = Protocol({{0, 2}, {1}}, 3);
  protocol.background_added = true;
  const absl::StatusOr<TaskData> data =
      TaskData::Create(protocol, *images, *images, seg::ContinualSetting::kOverlapped, 1, nullptr);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->Training(0)->Load(0)->label.values, (std::vector<uint8_t>{0, 1, 255, 1}));
  EXPECT_EQ(data->Training(1)->Load(0)->label.values, (std::vector<uint8_t>{2, 0, 255, 0}));
  EXPECT_EQ(data->Training(1, seg::VoidPixels::kBackground)->Load(0)->label.values, (std::vector<uint8_t>{2, 0, 0, 0}));
  EXPECT_EQ(data->InfoAfter(1).class_names, (std::vector<std::string>{"other", "class 1", "class 0"}));
}

TEST(TaskData, ATaskWithoutImagesIsNamed) {
  const std::unique_ptr<data::InMemoryDataset> images = Images(4, {{0, 1, 2, 2}});
  const absl::Status status = TaskData::Create(Protocol({{0, 1}, {2}, {3}}, 4), *images, *images,
                                               seg::ContinualSetting::kOverlapped, 1, nullptr)
                                  .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "tiny: no training image belongs to task 3 of the protocol 2-1");
  EXPECT_EQ(TaskData::Create(Protocol({{0, 1}, {2}}, 3), *images, *images, seg::ContinualSetting::kOverlapped, 1,
                             [] { return true; })
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace experiments::continual
