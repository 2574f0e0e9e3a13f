#pragma once

// Data-parallel gradients: the mean over ranks, in buckets. A bucket is sent as soon as the backward pass is done with
// its parameters, so that sending overlaps with computing where the collective can do both (NCCL); the last layers'
// come first, as backward meets them first.
//
//   GradientAverage average(optimizer.parameters(), collective);
//   Tape tape; …
//   average.Watch(tape);
//   tape.Backward(loss);
//   average.Finish();               // now every rank's gradients are the mean
//
// Every rank has the same parameters in the same order. The sums do not depend on when buckets are ready, only on the
// buckets.

#include <cstdint>
#include <map>
#include <vector>

#include "autograd/collective/collective.h"
#include "autograd/core/tape.h"
#include "nn/optimizers/optimizer.h"

namespace nn {

class GradientAverage {
 public:
  static constexpr int64_t kBucketBytes = int64_t{25} << 20;

  GradientAverage(const std::vector<OptimizedParameter>& parameters, autograd::Collective& collective,
                  int64_t bucket_bytes = kBucketBytes);

  // Once a step, before Backward. Without it Finish sends everything.
  void Watch(autograd::Tape& tape);
  // Sends what has not been sent, waits, and writes the means into the gradients.
  void Finish();

  size_t bucket_count() const { return buckets_.size(); }

 private:
  struct Bucket {
    std::vector<autograd::Parameter*> parameters;
    autograd::Array values;  // their gradients one after the other
    size_t missing = 0;      // parameters whose gradients are not complete
  };
  void Ready(autograd::Parameter& parameter);
  void SendUpTo(size_t bucket);

  autograd::Collective& collective_;
  std::vector<Bucket> buckets_;
  std::map<autograd::Parameter*, size_t> bucket_of_;
  size_t sent_ = 0;
};

}  // namespace nn
