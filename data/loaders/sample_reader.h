// Reads samples of a dataset on threads of its own, ahead of who wants them, and hands them out in order: for
// evaluation, which takes every sample as it is, one by one. Training takes batches of augmented samples from a Loader
// (loader.h).
//
//   SampleReader reader(&dataset, {.threads = 2, .ahead = 8}, indices);
//   while (reader.remaining() > 0) {
//     absl::StatusOr<Sample> sample = reader.Next();
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

struct SampleReaderOptions {
  int threads = 1;  // at least 1
  int ahead =
      2;  // samples that may be finished or in work before they are asked for, at least 1: what is held in memory
};

class SampleReader {
 public:
  // Reads the samples with these indices, in this order; an index may repeat. `dataset` must outlive the reader. Throws
  // autograd::Error where an option is less than 1.
  SampleReader(const Dataset* dataset, const SampleReaderOptions& options, std::vector<int64_t> indices);
  // Stops the threads as soon as each has finished the sample that it reads.
  ~SampleReader();
  SampleReader(const SampleReader&) = delete;
  SampleReader& operator=(const SampleReader&) = delete;

  // The next sample, waiting for it; or what Dataset::Load says of it, in place of that sample only: the next call goes
  // on behind it. OutOfRange after the last one. One caller at a time.
  absl::StatusOr<Sample> Next();

  // Samples that Next() has not returned yet.
  int64_t remaining() const { return static_cast<int64_t>(indices_.size()) - next_; }

 private:
  void Work();

  const Dataset* const dataset_;
  const std::vector<int64_t> indices_;
  const int64_t ahead_;
  int64_t next_ = 0;  // position of what Next() returns next; the threads read it under the mutex

  std::mutex mutex_;  // guards what follows
  std::condition_variable work_available_;
  std::condition_variable sample_finished_;
  bool stopping_ = false;
  int64_t claimed_ = 0;                                       // positions before it are in work, finished or returned
  std::vector<std::optional<absl::StatusOr<Sample>>> slots_;  // position p is in slot p % ahead once it is finished
  std::vector<std::thread> threads_;
};

}  // namespace data
