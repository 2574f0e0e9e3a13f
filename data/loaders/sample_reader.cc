#include "data/loaders/sample_reader.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/runtime/error.h"

namespace data {
namespace {

// No exception may leave a thread.
absl::StatusOr<Sample> Load(const Dataset& dataset, int64_t index) {
  try {
    return dataset.Load(index);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("reading sample ", index, " of ", dataset.info().name, ": ", error.what()));
  }
}

}  // namespace

SampleReader::SampleReader(const Dataset* dataset, const SampleReaderOptions& options, std::vector<int64_t> indices)
    : dataset_(dataset), indices_(std::move(indices)), ahead_(options.ahead) {
  autograd::Require(options.threads >= 1 && options.ahead >= 1, "SampleReader", options.threads, " threads, ",
                    options.ahead, " samples ahead");
  slots_.resize(ahead_);
  // More threads than samples in work would only wait.
  const int64_t threads = std::min({int64_t{options.threads}, ahead_, static_cast<int64_t>(indices_.size())});
  for (int64_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

SampleReader::~SampleReader() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  work_available_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void SampleReader::Work() {
  const int64_t count = static_cast<int64_t>(indices_.size());
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_available_.wait(lock, [&] { return stopping_ || claimed_ == count || claimed_ - next_ < ahead_; });
    if (stopping_ || claimed_ == count) return;
    const int64_t position = claimed_++;
    lock.unlock();
    absl::StatusOr<Sample> sample = Load(*dataset_, indices_[position]);
    lock.lock();
    slots_[position % ahead_] = std::move(sample);
    if (position == next_) sample_finished_.notify_one();
  }
}

absl::StatusOr<Sample> SampleReader::Next() {
  if (remaining() == 0) {
    return absl::OutOfRangeError(absl::StrCat("all ", indices_.size(), " samples have been read"));
  }
  std::unique_lock<std::mutex> lock(mutex_);
  std::optional<absl::StatusOr<Sample>>& slot = slots_[next_ % ahead_];
  sample_finished_.wait(lock, [&] { return slot.has_value(); });
  absl::StatusOr<Sample> sample = *std::move(slot);
  slot.reset();
  ++next_;
  lock.unlock();
  work_available_.notify_one();
  return sample;
}

}  // namespace data
