#include "nn/optimizers/gradient_average.h"

#include "nn/optimizers/update_kernels.h"

namespace nn {

using autograd::Array;
using autograd::Parameter;

GradientAverage::GradientAverage(const std::vector<OptimizedParameter>& parameters, autograd::Collective& collective,
                                 int64_t bucket_bytes)
    : collective_(collective) {
  if (collective.world_size() == 1) return;
  int64_t bytes = 0;
  for (auto optimized = parameters.rbegin(); optimized != parameters.rend(); ++optimized) {
    Parameter& parameter = *optimized->parameter;
    if (!parameter.trainable()) continue;
    if (buckets_.empty() || bytes + parameter.value().bytes() > bucket_bytes) {
      buckets_.emplace_back();
      bytes = 0;
    }
    bytes += parameter.value().bytes();
    bucket_of_[&parameter] = buckets_.size() - 1;
    buckets_.back().parameters.push_back(&parameter);
  }
  for (Bucket& bucket : buckets_) {
    int64_t size = 0;
    for (const Parameter* parameter : bucket.parameters) size += parameter->size();
    bucket.values = Array::Zeros({size}, autograd::kFloat32);
    bucket.values.MarkPersistent();
  }
}

void GradientAverage::Watch(autograd::Tape& tape) {
  if (buckets_.empty()) return;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.parameters.size();
  tape.OnGradient([this](Parameter& parameter) { Ready(parameter); });
}

// Ranks must send in one order, so a bucket waits for those before it.
void GradientAverage::Ready(Parameter& parameter) {
  const auto found = bucket_of_.find(&parameter);
  if (found == bucket_of_.end()) return;
  --buckets_[found->second].missing;
  size_t complete = sent_;
  while (complete < buckets_.size() && buckets_[complete].missing == 0) ++complete;
  SendUpTo(complete);
}

void GradientAverage::SendUpTo(size_t end) {
  autograd::OperationScope scope("GradientAverage");
  for (; sent_ < end; ++sent_) {
    Bucket& bucket = buckets_[sent_];
    int64_t begin = 0;
    for (Parameter* parameter : bucket.parameters) {
      Array part = bucket.values.Slice(begin, begin + parameter->size());
      part.CopyFrom(parameter->gradient().Reshape({-1}));
      begin += parameter->size();
    }
    collective_.StartSum(bucket.values);
  }
}

void GradientAverage::Finish() {
  if (buckets_.empty()) return;
  SendUpTo(buckets_.size());
  sent_ = 0;
  collective_.FinishSums();
  const float share = 1.0f / static_cast<float>(collective_.world_size());
  std::vector<autograd::GradientTensor> sums;
  for (Bucket& bucket : buckets_) sums.push_back({bucket.values.data<float>(), bucket.values.size()});
  autograd::kernels::ScaleGradients(autograd::Stream::Current(), sums, share);
  for (Bucket& bucket : buckets_) {
    int64_t begin = 0;
    for (Parameter* parameter : bucket.parameters) {
      Array gradient = parameter->gradient().Reshape({-1});
      gradient.CopyFrom(bucket.values.Slice(begin, begin + parameter->size()));
      begin += parameter->size();
    }
  }
}

}  // namespace nn
