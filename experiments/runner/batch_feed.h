#pragma once

// The loader's batches where the network is. On a device the next batch travels on a queue of its own while a step
// computes.
//
//   BatchFeed feed(*loader);
//   while (…) {
//     absl::Status status = feed.Next();      // images(), labels() and host() are the next batch's
//     … queue the step …
//     feed.Prefetch();                        // before the host waits for the step
//   }

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autograd/core/array.h"
#include "data/loaders/loader.h"

namespace experiments {

class BatchFeed {
 public:
  // For the current stream. `loader` must outlive it.
  explicit BatchFeed(data::Loader& loader);

  // Waits for the loader, not for the device. An error is the loader's.
  absl::Status Next();
  // Starts on the batch that the coming Next will give; optional, and nothing on the CPU.
  void Prefetch();

  const data::Batch& host() const { return host_; }
  // float32 [N, H, W, 3], normalised, and uint8 [N, H, W]. They stay where they are as long as the batches' extents do.
  const autograd::Array& images() const { return images_; }
  const autograd::Array& labels() const { return labels_; }

 private:
  // Gives the arrays the batch's extents; true when they are new. What the current stream was given before may still
  // use the memory of new ones.
  bool Fit(const data::Batch& batch, autograd::Array& images, autograd::Array& labels) const;

  data::Loader& loader_;
  data::Batch host_;
  autograd::Array images_, labels_;
  absl::StatusOr<data::Batch> next_host_;
  bool prefetched_ = false;
  autograd::Array next_images_, next_labels_;
  // Last, because its end waits for the copies: null on the CPU.
  std::unique_ptr<autograd::Stream> beside_;
};

}  // namespace experiments
