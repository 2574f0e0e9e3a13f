#include "experiments/report/csv_log.h"

#include <cmath>
#include <filesystem>

#include "absl/strings/match.h"
#include "autograd/runtime/error.h"
#include "gtest/gtest.h"

namespace experiments {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string FreshPath(const std::string& name) {
  const std::string path = testing::TempDir() + "/csv_log_" + name + ".csv";
  std::filesystem::remove(path);
  return path;
}

TEST(CsvLogTest, WritesHeaderAndExactNumbers) {
  const std::string path = FreshPath("new");
  auto log = CsvLog::Open(path, {"loss", "mean_iou"}, std::nullopt);
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_TRUE((*log)->AddRow(10, {0.1, std::nan("")}).ok());
  ASSERT_TRUE((*log)->AddRow(20, {1.0 / 3.0, 1e-10}).ok());
  EXPECT_EQ(ReadFile(path), "step,loss,mean_iou\n10,0.1,\n20,0.3333333333333333,1e-10\n");
}

TEST(CsvLogTest, NewRunReplacesAnOldFile) {
  const std::string path = FreshPath("replace");
  std::ofstream(path) << "something else\n1,2,3\n";
  ASSERT_TRUE(CsvLog::Open(path, {"loss"}, std::nullopt).ok());
  EXPECT_EQ(ReadFile(path), "step,loss\n");
}

TEST(CsvLogTest, ResumeDropsLaterAndBrokenRows) {
  const std::string path = FreshPath("resume");
  std::ofstream(path) << "step,loss\n10,1\n20,2\n30,3\n40,";
  {
    auto log = CsvLog::Open(path, {"loss"}, 20);
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_TRUE((*log)->AddRow(25, {2.5}).ok());
  }
  EXPECT_EQ(ReadFile(path), "step,loss\n10,1\n20,2\n25,2.5\n");
  ASSERT_TRUE(CsvLog::Open(FreshPath("absent"), {"loss"}, 20).ok());
}

TEST(CsvLogTest, ResumeWithOtherColumnsIsRefusedAndLosesNothing) {
  const std::string path = FreshPath("columns");
  std::ofstream(path) << "step,loss\n10,1\n";
  const auto log = CsvLog::Open(path, {"reward"}, 20);
  EXPECT_EQ(log.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(log.status().message(), path)) << log.status();
  EXPECT_EQ(ReadFile(path), "step,loss\n10,1\n");
}

TEST(CsvLogTest, WrongNumberOfValues) {
  auto log = CsvLog::Open(FreshPath("count"), {"loss"}, std::nullopt);
  ASSERT_TRUE(log.ok());
  EXPECT_THROW((void)(*log)->AddRow(1, {1, 2}), autograd::Error);
}

TEST(CsvLogTest, UnwritablePathIsNamed) {
  const auto log = CsvLog::Open(testing::TempDir() + "/no/such/folder/log.csv", {"loss"}, std::nullopt);
  EXPECT_TRUE(absl::StrContains(log.status().message(), "/no/such/folder/log.csv")) << log.status();
}

}  // namespace
}  // namespace experiments
