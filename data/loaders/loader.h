// Reads, augments and batches samples on threads of its own, ahead of the training step that wants them.
//
//   LoaderOptions options;
//   options.batch_size = 16;
//   options.threads = 2;
//   options.shuffle = true;
//   options.key = RandomKey(seed).Split("data");
//   auto loader = Loader::Create(dataset.get(), pipeline, options);
//   absl::StatusOr<Batch> batch = (*loader)->Next();
//
// The sequence of batches is a function of the dataset and of the options without `threads` and `prefetch`:
// an epoch's order and every augmentation come from keys. It can be entered at any batch (`start_batch`, in
// constant time), so a checkpoint stores one number.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/runtime/random.h"
#include "data/datasets/dataset.h"
#include "data/random/permutation.h"
#include "data/transforms/normalize.h"
#include "data/transforms/transform.h"

namespace data {

struct Batch {
  int size = 0;  // N
  int height = 0, width = 0;
  std::vector<float> images;     // [N, height, width, 3], normalised; padding is 0
  std::vector<uint8_t> labels;   // [N, height, width], train ids; padding is void
  std::vector<int64_t> indices;  // in the dataset
  std::vector<std::string> ids;
  std::vector<Geometry> geometries;  // from a sample as the dataset has it to its part of the batch
  int64_t number = 0;                // counted from the start of training; epoch = number / batches_per_epoch
};

struct LoaderOptions {
  int batch_size = 1;  // of this rank
  int threads = 1;
  int prefetch = 2;  // batches that may be finished or in work before they are asked for
  autograd::RandomKey key = autograd::RandomKey();
  bool shuffle = false;   // a new order each epoch
  bool drop_last = true;  // see below
  // 0: each batch is as large as its largest image. Otherwise samples must not be larger.
  int height = 0, width = 0;
  // Batch b of an epoch is positions [b * B, (b + 1) * B) of the epoch's order, B = world_size * batch_size,
  // and rank r has the r-th part of it: with the product fixed, the ranks together see the same batches
  // whatever their number. A rest smaller than B is dropped, or else divided evenly; then a rank's part may
  // be smaller, even empty, but all ranks have the same number of batches.
  int rank = 0;
  int world_size = 1;
  int64_t start_batch = 0;  // number of the first batch that Next() returns
  int64_t epochs = 0;       // 0: without end
};

class Loader {
 public:
  // `dataset` must outlive the loader. InvalidArgument names the option that makes no sense.
  static absl::StatusOr<std::unique_ptr<Loader>> Create(const Dataset* dataset, TransformPipeline pipeline,
                                                        const LoaderOptions& options);
  // Stops the threads; batches in work are abandoned.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next batch, waiting for it. If a sample of it could not be read, the error of the first such sample,
  // in place of that batch only; the next call goes on behind it. OutOfRange after the last epoch. One caller
  // at a time.
  absl::StatusOr<Batch> Next();

  // Number of the batch that Next() returns next: what a checkpoint stores and `start_batch` takes.
  int64_t next_batch() const { return next_batch_; }
  int64_t batches_per_epoch() const { return batches_per_epoch_; }

 private:
  struct Slot;

  Loader(const Dataset* dataset, TransformPipeline pipeline, const LoaderOptions& options);
  void Work();
  void Start(Slot& slot, int64_t number);
  void LoadSample(Slot& slot, int position) const;
  void Finish(Slot& slot) const;

  const Dataset* const dataset_;
  const TransformPipeline pipeline_;
  const LoaderOptions options_;
  const Normalization normalization_;
  const int64_t batches_per_epoch_;
  const int64_t end_batch_;  // exclusive
  int64_t next_batch_;

  std::mutex mutex_;  // guards what follows and the counters of the slots
  std::condition_variable work_available_;
  std::condition_variable batch_finished_;
  bool stopping_ = false;
  int64_t claimed_batch_;                     // samples are claimed from this batch,
  int claimed_sample_ = 0;                    // from this position on
  std::vector<std::unique_ptr<Slot>> slots_;  // batch b is in slot b % prefetch
  std::vector<std::thread> threads_;
};

}  // namespace data
