// What the tests of datasets share: a folder for small files, and the real data where there are any.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"
#include "gtest/gtest.h"

namespace data {

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

class SharedData : public DatasetTest {
 protected:
  void SetUp() override {
    if (std::getenv("SEGMENTATION_DATA") == nullptr) GTEST_SKIP() << "SEGMENTATION_DATA is not set";
    shared_ = std::getenv("SEGMENTATION_DATA");
  }
  std::string shared_;
};

}  // namespace data
