#pragma once

// What the cross entropies share on CUDA: labels of either dtype, and the mean of a group of pixels from sums of parts.

#include "autograd/core/array.h"
#include "autograd/ops/block_sums_cuda.h"

namespace autograd::cuda {

class Labels {
 public:
  explicit Labels(const Array& labels) {
    if (labels.dtype() == kUInt8) {
      bytes_ = labels.data<uint8_t>();
    } else {
      integers_ = labels.data<int32_t>();
    }
  }
  __device__ int operator[](int64_t i) const { return bytes_ != nullptr ? bytes_[i] : integers_[i]; }

 private:
  const uint8_t* bytes_ = nullptr;
  const int32_t* integers_ = nullptr;
};

// partial[group, 0, b] are sums of losses, partial[group, 1, b] what counts: the number of valid pixels or the sum of
// their classes' weights; both NaN where a label is out of range. One block a group.
template <typename Value>
__global__ void MeanKernel(const double* partial, int64_t blocks, bool count_void, int64_t pixels, Value* loss,
                           double* scale) {
  SHARED_MEMORY(shared, double[kWarp]);
  const double* const own = partial + 2 * blockIdx.x * blocks;
  double sum = 0, valid = 0;
  for (int64_t b = threadIdx.x; b < blocks; b += blockDim.x) {
    sum += own[b];
    valid += own[blocks + b];
  }
  sum = BlockSum(sum, shared);
  valid = BlockSum(valid, shared);
  if (threadIdx.x != 0) return;
  const double count = count_void && !isnan(valid) ? static_cast<double>(pixels) : valid;
  const double factor = valid == 0 ? 0.0 : 1.0 / count;
  scale[blockIdx.x] = factor;
  loss[blockIdx.x] = static_cast<Value>(sum * factor);
}

}  // namespace autograd::cuda
