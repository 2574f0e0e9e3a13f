#include "experiments/runner/run_folder.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace experiments {
namespace {

namespace fs = std::filesystem;

std::string FreshDirectory(const std::string& name) {
  const std::string path = testing::TempDir() + "/run_folder_" + name;
  fs::remove_all(path);
  return path;
}

void Touch(const std::string& path) { std::ofstream(path) << "x"; }

TEST(RunFolderTest, CreatesParentsAndLeavesNoProbe) {
  const std::string path = FreshDirectory("new") + "/a/b";
  const auto directory = RunFolder::Open(path, /*resume=*/false);
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_EQ(directory->CheckpointPath(12000), path + "/checkpoints/step_000012000.safetensors");
  for (const auto& entry : fs::recursive_directory_iterator(path)) EXPECT_TRUE(entry.is_directory()) << entry;
  EXPECT_FALSE(directory->LatestCheckpoint().has_value());
}

TEST(RunFolderTest, LatestCheckpointIsByStepAndIgnoresOtherFiles) {
  const auto directory = RunFolder::Open(FreshDirectory("latest"), false);
  ASSERT_TRUE(directory.ok());
  for (int64_t step : {900, 1000, 20}) Touch(directory->CheckpointPath(step));
  Touch(directory->CheckpointPath(5000) + ".partial");
  Touch(directory->path() + "/checkpoints/step_x.safetensors");
  Touch(directory->path() + "/checkpoints/best.safetensors");
  ASSERT_TRUE(directory->LatestCheckpoint().has_value());
  EXPECT_EQ(directory->LatestCheckpoint()->step, 1000);
  EXPECT_EQ(directory->LatestCheckpoint()->path, directory->CheckpointPath(1000));

  ASSERT_TRUE(directory->RemoveOldCheckpoints(2).ok());
  const auto left = directory->Checkpoints();
  ASSERT_EQ(left.size(), 2);
  EXPECT_EQ(left[0].step, 900);
  EXPECT_TRUE(fs::exists(directory->path() + "/checkpoints/best.safetensors"));
  EXPECT_FALSE(directory->RemoveOldCheckpoints(0).ok());
}

TEST(RunFolderTest, AnotherRunIsNotOverwritten) {
  const std::string path = FreshDirectory("taken");
  { Touch(RunFolder::Open(path, false)->CheckpointPath(70)); }
  const auto refused = RunFolder::Open(path, false);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(refused.status().message(), "step 70")) << refused.status();
  const auto resumed = RunFolder::Open(path, true);
  ASSERT_TRUE(resumed.ok());
  EXPECT_EQ(resumed->LatestCheckpoint()->step, 70);
}

TEST(RunFolderTest, UnusableFoldersAreNamed) {
  const std::string file = FreshDirectory("file");
  Touch(file);
  for (const std::string& path : {file, file + "/below"}) {
    const auto directory = RunFolder::Open(path, false);
    ASSERT_FALSE(directory.ok());
    EXPECT_TRUE(absl::StrContains(directory.status().message(), path)) << directory.status();
  }
  EXPECT_FALSE(RunFolder::Open("", false).ok());
}

TEST(RunFolderTest, ReadOnlyFolderIsNamed) {
  if (geteuid() == 0) GTEST_SKIP() << "permissions do not bind the superuser";
  const std::string path = FreshDirectory("read_only");
  fs::create_directory(path);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_exec);
  const auto directory = RunFolder::Open(path, false);
  EXPECT_EQ(directory.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(absl::StrContains(directory.status().message(), path)) << directory.status();
  fs::permissions(path, fs::perms::owner_all);
}

}  // namespace
}  // namespace experiments
