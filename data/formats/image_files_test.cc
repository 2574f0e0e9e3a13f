#include "data/formats/image_files.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace data {
namespace {

namespace fs = std::filesystem;

class ImageFilesTest : public ::testing::Test {
 protected:
  ImageFilesTest() {
    root_ = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~ImageFilesTest() override { fs::remove_all(root_); }
  void Touch(const std::string& name) { std::ofstream(root_ / name) << "x"; }
  std::string Path(const std::string& name) const { return (root_ / name).string(); }

  fs::path root_;
};

TEST_F(ImageFilesTest, CompanionsArePassedOver) {
  for (const char* name :
       {"b.png", "a.jpg", "._a.jpg", ".DS_Store", "Thumbs.db", "thumbs.db", "desktop.ini", ".hidden.png"})
    Touch(name);
  for (const char* name : {"two", "one", ".ipynb_checkpoints", "__MACOSX", "@eaDir"})
    fs::create_directory(root_ / name);
  const absl::StatusOr<FolderContents> contents = ListFolder(root_.string());
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->files, (std::vector<std::string>{"a.jpg", "b.png"}));
  EXPECT_EQ(contents->folders, (std::vector<std::string>{"one", "two"}));
  const absl::Status nowhere = ListFolder(Path("nowhere")).status();
  EXPECT_EQ(nowhere.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(nowhere.message().find("nowhere"), absl::string_view::npos);
  EXPECT_FALSE(ListFolder(Path("a.jpg")).ok());
}

TEST_F(ImageFilesTest, Extensions) {
  for (const char* name : {"a.png", "a.PNG", "a.jpg", "a.JPG", "a.Jpeg", "a.b.jpe", "a.JFIF"})
    EXPECT_TRUE(HasImageExtension(name)) << name;
  for (const char* name : {"a", "png", ".png", "a.bmp", "a.png.txt", "a.", ""})
    EXPECT_FALSE(HasImageExtension(name)) << name;
}

TEST_F(ImageFilesTest, TheExactNameThenOtherSpellingsThenOtherKinds) {
  Touch("exact.jpg");
  Touch("exact.JPG");
  Touch("letters.JPG");
  Touch("letters.png");
  Touch("kind.PNG");
  Touch("label.Png");
  Touch("only.jpg");
  FileFinder finder;
  EXPECT_EQ(finder.Find(Path("exact.jpg"), FileKind::kImage), Path("exact.jpg"));
  EXPECT_EQ(finder.Find(Path("letters.jpg"), FileKind::kImage), Path("letters.JPG"));
  EXPECT_EQ(finder.Find(Path("letters.jpeg"), FileKind::kImage), Path("letters.JPG"));
  EXPECT_EQ(finder.Find(Path("kind.jpg"), FileKind::kImage), Path("kind.PNG"));
  EXPECT_EQ(finder.Find(Path("label.png"), FileKind::kExact), Path("label.Png"));
  // A label map is never a file of another kind, and a stem is spelled as it is.
  EXPECT_EQ(finder.Find(Path("only.png"), FileKind::kExact), std::nullopt);
  EXPECT_EQ(finder.Find(Path("Letters.jpg"), FileKind::kImage), std::nullopt);
  EXPECT_EQ(finder.Find(Path("nowhere/a.jpg"), FileKind::kImage), std::nullopt);
  EXPECT_EQ(finder.FindOrKeep(Path("nothing.jpg"), FileKind::kImage), Path("nothing.jpg"));
}

}  // namespace
}  // namespace data
