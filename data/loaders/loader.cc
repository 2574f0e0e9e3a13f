#include "data/loaders/loader.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace data {

// A batch on its way. Between Start() and Finish() each worker touches only the entries of the samples that
// it claimed.
struct Loader::Slot {
  bool started = false;
  int unclaimed = 0, unfinished = 0;  // samples; guarded by the loader's mutex
  int64_t epoch = 0;
  int64_t first_position = 0;  // in the epoch's order
  std::optional<Permutation> order;
  std::vector<Sample> samples;
  std::vector<Geometry> geometries;
  std::vector<absl::Status> statuses;
  absl::Status status;
  Batch batch;
};

namespace {

int64_t BatchesPerEpoch(int64_t size, const LoaderOptions& options) {
  const int64_t global = int64_t{options.batch_size} * options.world_size;
  return size / global + (!options.drop_last && size % global != 0 ? 1 : 0);
}

absl::Status Check(const Dataset& dataset, const LoaderOptions& options) {
  const auto error = [](auto... parts) { return absl::InvalidArgumentError(absl::StrCat("loader: ", parts...)); };
  if (options.batch_size < 1) return error("batch_size is ", options.batch_size);
  if (options.threads < 1) return error("threads is ", options.threads);
  if (options.prefetch < 1) return error("prefetch is ", options.prefetch);
  if (options.world_size < 1 || options.rank < 0 || options.rank >= options.world_size) {
    return error("rank ", options.rank, " of world_size ", options.world_size);
  }
  if (options.start_batch < 0) return error("start_batch is ", options.start_batch);
  if (options.epochs < 0) return error("epochs is ", options.epochs);
  if (options.height < 0 || options.width < 0 || (options.height == 0) != (options.width == 0)) {
    return error("the size is ", options.width, " x ", options.height, "; give both sides or neither");
  }
  if (BatchesPerEpoch(dataset.size(), options) == 0) {
    return error(dataset.info().name, " has ", dataset.size(), " samples, fewer than batch_size ", options.batch_size,
                 " x world_size ", options.world_size);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Loader>> Loader::Create(const Dataset* dataset, TransformPipeline pipeline,
                                                       const LoaderOptions& options) {
  if (absl::Status status = Check(*dataset, options); !status.ok()) return status;
  return std::unique_ptr<Loader>(new Loader(dataset, std::move(pipeline), options));
}

Loader::Loader(const Dataset* dataset, TransformPipeline pipeline, const LoaderOptions& options)
    : dataset_(dataset),
      pipeline_(std::move(pipeline)),
      options_(options),
      normalization_(dataset->info()),
      batches_per_epoch_(BatchesPerEpoch(dataset->size(), options)),
      end_batch_(options.epochs == 0 || batches_per_epoch_ > std::numeric_limits<int64_t>::max() / options.epochs
                     ? std::numeric_limits<int64_t>::max()
                     : batches_per_epoch_ * options.epochs),
      next_batch_(options.start_batch),
      claimed_batch_(options.start_batch) {
  for (int i = 0; i < options_.prefetch; ++i) slots_.push_back(std::make_unique<Slot>());
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  work_available_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Loader::Start(Slot& slot, int64_t number) {
  const int64_t global = int64_t{options_.batch_size} * options_.world_size, size = dataset_->size();
  const int64_t begin = number % batches_per_epoch_ * global;
  const int64_t present = std::min(global, size - begin);
  const int64_t first =
      present == global ? int64_t{options_.batch_size} * options_.rank : present * options_.rank / options_.world_size;
  const int64_t last =
      present == global ? first + options_.batch_size : present * (options_.rank + 1) / options_.world_size;
  slot.started = true;
  slot.epoch = number / batches_per_epoch_;
  slot.first_position = begin + first;
  slot.order.reset();
  if (options_.shuffle) {
    slot.order.emplace(options_.key.Split("order").Split(static_cast<uint64_t>(slot.epoch)), size);
  }
  slot.status = absl::OkStatus();
  slot.batch = Batch();
  slot.batch.number = number;
  slot.batch.size = static_cast<int>(last - first);
  slot.unclaimed = slot.unfinished = slot.batch.size;
  slot.samples.assign(slot.batch.size, Sample());
  slot.geometries.assign(slot.batch.size, Geometry());
  slot.statuses.assign(slot.batch.size, absl::OkStatus());
}

void Loader::LoadSample(Slot& slot, int position) const {
  const int64_t place = slot.first_position + position;
  absl::StatusOr<Sample> sample = dataset_->Load(slot.order.has_value() ? (*slot.order)(place) : place);
  if (!sample.ok()) {
    slot.statuses[position] = sample.status();
    return;
  }
  // By the place in the whole epoch, so that neither ranks nor threads matter.
  const autograd::RandomKey key =
      options_.key.Split("augmentation").Split(static_cast<uint64_t>(slot.epoch)).Split(static_cast<uint64_t>(place));
  try {
    slot.geometries[position] = pipeline_.Apply(key, *sample);
  } catch (const std::exception& error) {
    slot.statuses[position] = absl::InternalError(absl::StrCat("augmenting sample ", sample->id, ": ", error.what()));
    return;
  }
  if (options_.height > 0 && (sample->image.height > options_.height || sample->image.width > options_.width)) {
    slot.statuses[position] = absl::InvalidArgumentError(
        absl::StrCat("sample ", sample->id, " is ", sample->image.width, " x ", sample->image.height,
                     " after augmentation and does not fit the batch of ", options_.width, " x ", options_.height));
    return;
  }
  slot.samples[position] = *std::move(sample);
}

void Loader::Finish(Slot& slot) const {
  for (const absl::Status& status : slot.statuses) {
    if (!status.ok()) {
      slot.status = status;
      return;
    }
  }
  Batch& batch = slot.batch;
  batch.height = options_.height;
  batch.width = options_.width;
  if (options_.height == 0) {
    for (const Sample& sample : slot.samples) {
      batch.height = std::max(batch.height, sample.image.height);
      batch.width = std::max(batch.width, sample.image.width);
    }
  }
  const size_t pixels = static_cast<size_t>(batch.height) * batch.width;
  batch.images.resize(3 * pixels * batch.size);
  batch.labels.resize(pixels * batch.size);
  for (int i = 0; i < batch.size; ++i) {
    Sample& sample = slot.samples[i];
    NormalizeInto(sample.image, normalization_, batch.height, batch.width, batch.images.data() + 3 * pixels * i);
    PadLabelInto(sample.label, batch.height, batch.width, batch.labels.data() + pixels * i);
    batch.indices.push_back(sample.index);
    batch.ids.push_back(std::move(sample.id));
    batch.geometries.push_back(std::move(slot.geometries[i]));
    if (sample.label.height < batch.height || sample.label.width < batch.width)
      batch.geometries.back().push_back({"pad", {batch.height, batch.width}});
  }
  slot.samples.clear();
}

void Loader::Work() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    // Claim the next sample of the earliest batch that has one left and whose slot is free.
    work_available_.wait(lock, [this] {
      return stopping_ || (claimed_batch_ < end_batch_ && claimed_batch_ - next_batch_ < options_.prefetch);
    });
    if (stopping_) return;
    Slot& slot = *slots_[claimed_batch_ % options_.prefetch];
    if (!slot.started) {
      Start(slot, claimed_batch_);
      claimed_sample_ = 0;
      if (slot.batch.size == 0) {  // the rest of an epoch had nothing for this rank
        ++claimed_batch_;
        batch_finished_.notify_one();
        continue;
      }
    }
    const int position = claimed_sample_++;
    if (--slot.unclaimed == 0) ++claimed_batch_;
    lock.unlock();
    LoadSample(slot, position);
    lock.lock();
    if (slot.unfinished == 1) {
      // The last one puts the batch together; nobody else looks at the slot before the count is zero.
      lock.unlock();
      Finish(slot);
      lock.lock();
    }
    if (--slot.unfinished == 0) batch_finished_.notify_one();
  }
}

absl::StatusOr<Batch> Loader::Next() {
  if (next_batch_ >= end_batch_) {
    return absl::OutOfRangeError(absl::StrCat("the loader has returned all ", options_.epochs, " epochs"));
  }
  std::unique_lock<std::mutex> lock(mutex_);
  Slot& slot = *slots_[next_batch_ % options_.prefetch];
  batch_finished_.wait(lock, [&] { return slot.started && slot.unfinished == 0; });
  absl::StatusOr<Batch> result = slot.status.ok() ? absl::StatusOr<Batch>(std::move(slot.batch)) : slot.status;
  slot.started = false;
  ++next_batch_;
  lock.unlock();
  work_available_.notify_all();
  return result;
}

}  // namespace data
