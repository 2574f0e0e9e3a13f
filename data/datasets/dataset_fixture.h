// What the tests of datasets share: a folder for small files, and the real data where there are any.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/datasets/dataset.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"
#include "gtest/gtest.h"

namespace data {

using Values = std::vector<uint8_t>;

// A folder of its own for each test, filled with small files.
class DatasetTest : public ::testing::Test {
 protected:
  DatasetTest() {
    root_ = std::filesystem::path(::testing::TempDir()) /
            absl::StrCat("dataset_", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~DatasetTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& name, const std::string& contents) {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << contents;
  }
  static std::string LabelFile(const std::vector<uint8_t>& values, int width) {
    LabelMap label(static_cast<int>(values.size()) / width, width);
    label.values = values;
    return EncodeLabelPng(label);
  }
  static void ExpectError(const absl::Status& status, absl::StatusCode code, const std::vector<std::string>& words) {
    EXPECT_EQ(status.code(), code) << status;
    for (const std::string& word : words) EXPECT_NE(status.message().find(word), absl::string_view::npos) << status;
  }

  std::filesystem::path root_;
};

// The ids of a dataset's samples.
inline std::vector<std::string> Ids(const Dataset& dataset) {
  std::vector<std::string> ids;
  for (int64_t i = 0; i < dataset.size(); ++i) ids.push_back(dataset.Load(i)->id);
  return ids;
}

class LayoutTest : public DatasetTest {
 protected:
  void WriteImage(const std::string& name, int height = 1, int width = 3) {
    const bool png = name.substr(name.size() - 4) == ".png";
    Write(name, png ? EncodePng(Image(height, width)) : EncodeJpeg(Image(height, width)));
  }
  Values LabelsOf(const absl::StatusOr<std::unique_ptr<Dataset>>& dataset, int64_t index) {
    const absl::StatusOr<Sample> sample = (*dataset)->Load(index);
    EXPECT_TRUE(sample.ok()) << sample.status();
    return sample.ok() ? sample->label.values : Values();
  }
};

class SharedData : public DatasetTest {
 protected:
  void SetUp() override {
    if (std::getenv("SEGMENTATION_DATA") == nullptr) GTEST_SKIP() << "SEGMENTATION_DATA is not set";
    shared_ = std::getenv("SEGMENTATION_DATA");
  }
  std::string shared_;
};

class FormatSamples : public SharedData {
 protected:
  void SetUp() override {
    SharedData::SetUp();
    samples_ = std::filesystem::path(shared_) / "format_samples";
  }
  void Link(const std::string& name, const std::filesystem::path& target) {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::filesystem::create_symlink(samples_ / target, root_ / name);
  }
  // Pixels of each train id, 255 included.
  static std::vector<int64_t> Counts(const Dataset& dataset) {
    std::vector<int64_t> counts(256);
    for (int64_t i = 0; i < dataset.size(); ++i) {
      const absl::StatusOr<Sample> sample = dataset.Load(i);
      EXPECT_TRUE(sample.ok()) << sample.status();
      for (const uint8_t value : sample->label.values) ++counts[value];
    }
    return counts;
  }
  static std::set<int> Present(const Dataset& dataset) {
    const std::vector<int64_t> counts = Counts(dataset);
    std::set<int> present;
    for (int value = 0; value < 256; ++value) {
      if (counts[value] > 0) present.insert(value);
    }
    return present;
  }
  std::filesystem::path samples_;
};

}  // namespace data
