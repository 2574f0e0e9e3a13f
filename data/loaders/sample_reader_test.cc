#include "data/loaders/sample_reader.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/runtime/error.h"
#include "gtest/gtest.h"

namespace data {
namespace {

// Sample i is one pixel of value i. Keeps account of what was asked of it, and can be told to wait.
class CountingDataset : public Dataset {
 public:
  explicit CountingDataset(int64_t size) : size_(size) { info_.name = "counting"; }
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return size_; }
  absl::StatusOr<Sample> Load(int64_t index) const override {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      started_.push_back(index);
      changed_.notify_all();
      changed_.wait(lock, [&] { return index != held_; });
    }
    if (index % 10 == 7) return absl::DataLossError(absl::StrCat("'file", index, ".png': damaged"));
    if (index % 10 == 9) throw std::runtime_error("no memory");
    Sample sample;
    sample.image = Image(1, 1);
    sample.image.pixels[0] = static_cast<uint8_t>(index);
    sample.index = index;
    return sample;
  }

  // Load(index) does not return before Release().
  void Hold(int64_t index) { held_ = index; }
  void Release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = -1;
    changed_.notify_all();
  }
  void WaitForStarted(size_t count) const {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return started_.size() >= count; });
  }
  std::vector<int64_t> started() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return started_;
  }

 private:
  const int64_t size_;
  DatasetInfo info_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::vector<int64_t> started_;
  int64_t held_ = -1;
};

TEST(SampleReaderTest, SamplesComeInOrderForAnyThreadsAndAnyAhead) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < 60; ++i) {
    const int64_t index = i * 37 % 41;  // some twice
    if (index % 10 != 7 && index % 10 != 9) indices.push_back(index);
  }
  for (const int threads : {1, 2, 5}) {
    for (const int ahead : {1, 2, 3, 16, 1000}) {
      SCOPED_TRACE(absl::StrCat(threads, " threads, ", ahead, " ahead"));
      const CountingDataset dataset(41);
      SampleReader reader(&dataset, {.threads = threads, .ahead = ahead}, indices);
      for (size_t i = 0; i < indices.size(); ++i) {
        ASSERT_EQ(reader.remaining(), static_cast<int64_t>(indices.size() - i));
        const absl::StatusOr<Sample> sample = reader.Next();
        ASSERT_TRUE(sample.ok()) << sample.status();
        ASSERT_EQ(sample->index, indices[i]);
        ASSERT_EQ(sample->image.pixels[0], indices[i]);
      }
      EXPECT_EQ(reader.remaining(), 0);
      EXPECT_EQ(reader.Next().status(),
                absl::OutOfRangeError(absl::StrCat("all ", indices.size(), " samples have been read")));
      // Every sample was read as often as it was listed.
      std::vector<int64_t> started = dataset.started(), listed = indices;
      std::sort(started.begin(), started.end());
      std::sort(listed.begin(), listed.end());
      EXPECT_EQ(started, listed);
    }
  }
}

TEST(SampleReaderTest, AnErrorStandsInItsSamplesPlaceOnly) {
  const CountingDataset dataset(12);
  std::vector<int64_t> indices(12);
  std::iota(indices.begin(), indices.end(), 0);
  SampleReader reader(&dataset, {.threads = 3, .ahead = 4}, indices);
  for (int64_t i = 0; i < 12; ++i) {
    const absl::StatusOr<Sample> sample = reader.Next();
    if (i == 7) {
      EXPECT_EQ(sample.status(), absl::DataLossError("'file7.png': damaged"));
    } else if (i == 9) {
      EXPECT_EQ(sample.status(), absl::InternalError("reading sample 9 of counting: no memory"));
    } else {
      ASSERT_TRUE(sample.ok()) << sample.status();
      EXPECT_EQ(sample->index, i);
    }
  }
}

// While the first sample is held back, its followers are read, as many as may be and no more.
TEST(SampleReaderTest, ReadsAheadAsFarAsItMay) {
  CountingDataset dataset(100);
  dataset.Hold(0);
  SampleReader reader(&dataset, {.threads = 2, .ahead = 6}, {0, 1, 2, 3, 4, 5, 6, 8, 10, 11});
  dataset.WaitForStarted(6);
  dataset.Release();
  for (const int64_t index : {0, 1, 2}) {
    EXPECT_EQ(reader.Next()->index, index);
    // A sample is asked for only once the one `ahead` places before it has been taken.
    EXPECT_LE(dataset.started().size(), static_cast<size_t>(index + 1 + 6));
  }
  dataset.WaitForStarted(9);
  const std::vector<int64_t> started = dataset.started();
  EXPECT_EQ(started.size(), 9u);
  EXPECT_EQ(std::count(started.begin(), started.end(), 11), 0);
}

TEST(SampleReaderTest, TheDestructorWaitsForWhatIsBeingRead) {
  CountingDataset dataset(100);
  dataset.Hold(0);
  std::thread releaser;
  {
    SampleReader reader(&dataset, {.threads = 2, .ahead = 3}, {0, 1, 2, 3, 4, 5});
    dataset.WaitForStarted(3);
    releaser = std::thread([&] { dataset.Release(); });
  }
  EXPECT_EQ(dataset.started().size(), 3u);
  releaser.join();
}

TEST(SampleReaderTest, NoSamples) {
  const CountingDataset dataset(3);
  SampleReader reader(&dataset, {}, {});
  EXPECT_EQ(reader.remaining(), 0);
  EXPECT_EQ(reader.Next().status().code(), absl::StatusCode::kOutOfRange);
}

TEST(SampleReaderTest, Misuse) {
  const CountingDataset dataset(3);
  EXPECT_THROW(SampleReader(&dataset, {.threads = 0}, {0}), autograd::Error);
  EXPECT_THROW(SampleReader(&dataset, {.ahead = 0}, {0}), autograd::Error);
}

}  // namespace
}  // namespace data
