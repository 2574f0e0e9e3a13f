#include "autograd/runtime/atomic_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace autograd {
namespace {

namespace fs = std::filesystem;

class AtomicFileTest : public ::testing::Test {
 protected:
  AtomicFileTest() {
    folder_ = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~AtomicFileTest() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  int FileCount() const {
    return static_cast<int>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

TEST_F(AtomicFileTest, WritesReplacesAndLeavesNothingElse) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "first").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("a"), absl::string_view("sec\0nd", 6)).ok());
  EXPECT_EQ(*ReadFile(Path("a")), std::string("sec\0nd", 6));
  EXPECT_EQ(FileCount(), 1);
}

TEST_F(AtomicFileTest, StreamsAcrossTheBuffer) {
  auto file = AtomicFile::Create(Path("big"));
  ASSERT_TRUE(file.ok());
  std::string expected;
  // Pieces below, at and above the size of the internal buffer.
  for (const size_t size : {size_t{10}, size_t{1} << 20, size_t{3}, (size_t{1} << 20) + 7, size_t{0}, size_t{500}}) {
    const std::string piece(size, static_cast<char>('a' + expected.size() % 23));
    ASSERT_TRUE((*file)->Append(piece.data(), piece.size()).ok());
    expected += piece;
    EXPECT_FALSE(fs::exists(Path("big")));
  }
  ASSERT_TRUE((*file)->Commit().ok());
  EXPECT_TRUE(*ReadFile(Path("big")) == expected);
  EXPECT_FALSE((*file)->Commit().ok());
}

TEST_F(AtomicFileTest, WithoutCommitNothingHappens) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "old").ok());
  { ASSERT_TRUE((*AtomicFile::Create(Path("a")))->Append("new").ok()); }
  const absl::Status status = WriteFileAtomically(Path("a"), [](AtomicFile& file) {
    (void)file.Append("half");
    return absl::CancelledError("stopped");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(*ReadFile(Path("a")), "old");
  EXPECT_EQ(FileCount(), 1);
}

// A limit on the size of files stands in for a full disk: write() then stores a part and fails the next time.
TEST_F(AtomicFileTest, FullDiskKeepsThePreviousFile) {
  ASSERT_TRUE(WriteFileAtomically(Path("checkpoint"), "old").ok());
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 100000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status at_once = WriteFileAtomically(Path("checkpoint"), std::string(3 << 20, 'x'));
  const absl::Status streamed = WriteFileAtomically(Path("checkpoint"), [](AtomicFile& file) {
    for (int i = 0; i < 40; ++i) (void)file.Append(std::string(100000, 'y'));
    return absl::OkStatus();  // errors are sticky: Commit() still fails
  });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(at_once.code(), absl::StatusCode::kResourceExhausted) << at_once;
  EXPECT_EQ(streamed.code(), absl::StatusCode::kResourceExhausted) << streamed;
  EXPECT_EQ(*ReadFile(Path("checkpoint")), "old");
  EXPECT_EQ(FileCount(), 1);
}

TEST_F(AtomicFileTest, FollowsASymbolicLink) {
  ASSERT_TRUE(WriteFileAtomically(Path("target"), "old").ok());
  fs::create_symlink(Path("target"), Path("link"));
  ASSERT_TRUE(WriteFileAtomically(Path("link"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_EQ(*ReadFile(Path("target")), "new");
}

TEST_F(AtomicFileTest, ObeysTheUmask) {
  const mode_t before = umask(027);
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "x").ok());
  umask(before);
  struct stat information;
  ASSERT_EQ(stat(Path("a").c_str(), &information), 0);
  EXPECT_EQ(information.st_mode & 0777, 0640u);
}

// A process that begins to write and then waits for its end, killed or not.
class Writer {
 public:
  explicit Writer(const std::string& path) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    process_ = fork();
    if (process_ == 0) {
      auto file = AtomicFile::Create(path);
      const char byte = file.ok() && (*file)->Append(std::string(3 << 20, 'x')).ok() ? 'y' : 'n';
      if (write(ready[1], &byte, 1) != 1) _exit(1);
      for (;;) pause();
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'y');
    close(ready[0]);
    close(ready[1]);
  }
  ~Writer() { Kill(); }
  void Kill() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = 0;
  }

 private:
  pid_t process_;
};

TEST_F(AtomicFileTest, StaleTemporaryFilesAreRemovedAndOthersNot) {
  ASSERT_TRUE(WriteFileAtomically(Path("kept"), "x").ok());
  for (const char* name : {"notes.tmp", "notes.5.tmp", "a.b.7.tmp", "a.3.x.tmp", "a.3.4.tmp.txt", ".3.4.tmp"})
    std::ofstream(Path(name)) << "x";
  fs::create_directories(Path("folder.1.2.tmp"));
  fs::create_directories(Path("below"));
  std::ofstream(Path("below/a.3.4.tmp")) << "x";
  const int others = FileCount();

  Writer killed(Path("weights")), living(Path("weights"));
  killed.Kill();
  auto own = AtomicFile::Create(Path("own"));
  ASSERT_TRUE(own.ok());
  // Of a machine or container whose process had the number that this one has here.
  std::ofstream(absl::StrCat(Path("checkpoint."), getpid(), ".1000000.tmp")) << "x";
  ASSERT_EQ(FileCount(), others + 4);
  const absl::StatusOr<int> removed = RemoveStaleTemporaryFiles(folder_.string());
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(*removed, 2);
  EXPECT_EQ(FileCount(), others + 2);
  ASSERT_TRUE((*own)->Append("done").ok());
  EXPECT_TRUE((*own)->Commit().ok());
  EXPECT_EQ(*ReadFile(Path("own")), "done");

  living.Kill();
  EXPECT_EQ(*RemoveStaleTemporaryFiles(folder_.string()), 1);
  EXPECT_EQ(*RemoveStaleTemporaryFiles(folder_.string()), 0);
  EXPECT_EQ(FileCount(), others + 1);
  EXPECT_EQ(RemoveStaleTemporaryFiles(Path("nowhere")).status().code(), absl::StatusCode::kNotFound);
}

// Whoever removes stale files beside those who write never costs one of them its file.
TEST_F(AtomicFileTest, RemovingBesideWriting) {
  std::atomic<bool> stop = false;
  std::thread remover([&] {
    while (!stop) EXPECT_TRUE(RemoveStaleTemporaryFiles(folder_.string()).ok());
  });
  for (int i = 0; i < 200; ++i) {
    const absl::Status status = WriteFileAtomically(Path("a"), absl::StrCat(i));
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(*ReadFile(Path("a")), absl::StrCat(i));
  }
  stop = true;
  remover.join();
  EXPECT_EQ(FileCount(), 1);
}

TEST_F(AtomicFileTest, ErrorsNameTheFile) {
  const absl::Status no_folder = WriteFileAtomically(Path("missing/a"), "x");
  EXPECT_EQ(no_folder.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(no_folder.message().find("missing/a"), absl::string_view::npos);
  const absl::Status directory = WriteFileAtomically(folder_.string(), "x");
  EXPECT_EQ(directory.code(), absl::StatusCode::kFailedPrecondition) << directory;
  EXPECT_EQ(ReadFile(Path("nothing")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(ReadFile(Path("nothing")).status().message().find("nothing"), absl::string_view::npos);
  EXPECT_FALSE(ReadFile(folder_.string()).ok());
}

}  // namespace
}  // namespace autograd
