#include "experiments/runner/batch_feed.h"

#include <utility>

namespace experiments {

using autograd::Array;
using autograd::Stream;

namespace {

void Upload(Stream& stream, const data::Batch& batch, Array& images, Array& labels) {
  stream.CopyFromHost(images.raw(), batch.images.data(), batch.images.size() * sizeof(float));
  stream.CopyFromHost(labels.raw(), batch.labels.data(), batch.labels.size());
}

}  // namespace

BatchFeed::BatchFeed(data::Loader& loader) : loader_(loader), next_host_(data::Batch()) {
  Stream& stream = Stream::Current();
  if (stream.device().type != autograd::DeviceType::kCpu) beside_ = stream.OpenBeside();
}

bool BatchFeed::Fit(const data::Batch& batch, Array& images, Array& labels) const {
  const autograd::Shape shape = {batch.size, batch.height, batch.width, 3};
  if (images.defined() && images.shape() == shape) return false;
  // The memory of the arrays that go must not be in use on the other queue.
  if (beside_ != nullptr) beside_->Synchronize();
  images = Array::Empty(shape, autograd::kFloat32);
  labels = Array::Empty({batch.size, batch.height, batch.width}, autograd::kUInt8);
  return true;
}

void BatchFeed::Prefetch() {
  if (beside_ == nullptr || prefetched_) return;
  next_host_ = loader_.Next();
  prefetched_ = true;
  if (!next_host_.ok()) return;
  if (Fit(*next_host_, next_images_, next_labels_)) beside_->WaitFor(Stream::Current());
  Upload(*beside_, *next_host_, next_images_, next_labels_);
}

absl::Status BatchFeed::Next() {
  Stream& stream = Stream::Current();
  if (!prefetched_) next_host_ = loader_.Next();
  const bool uploaded = std::exchange(prefetched_, false);
  if (!next_host_.ok()) return next_host_.status();
  host_ = *std::move(next_host_);
  Fit(host_, images_, labels_);
  if (!uploaded) {
    Upload(stream, host_, images_, labels_);
    return absl::OkStatus();
  }
  stream.WaitFor(*beside_);
  images_.CopyFrom(next_images_);
  labels_.CopyFrom(next_labels_);
  beside_->WaitFor(stream);  // before it writes the next batch there
  return absl::OkStatus();
}

}  // namespace experiments
