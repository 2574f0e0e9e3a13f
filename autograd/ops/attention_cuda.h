#pragma once

// cuDNN's fused attention (attention_cuda.cc), which uses the tensor cores, before our own kernels (attention_cuda.cu).

#include <string>

#include "autograd/core/array.h"
#include "autograd/runtime/stream.h"

namespace autograd::cuda {

// As the kernels of attention_kernels.h. False when cuDNN is missing or has no plan for it, and nothing was done: it
// takes bfloat16 with widths of a head that are multiples of 8 up to 128. Of the gradients it computes all three or
// none.
bool AttentionByCudnn(Stream& stream, const Array& q, const Array& k, const Array& v, double scale, const Array& y,
                      const Array& log_sums);
bool AttentionGradientByCudnn(Stream& stream, const Array& q, const Array& k, const Array& v, const Array& y,
                              const Array& log_sums, const Array& dy, double scale, const Array& dq, const Array& dk,
                              const Array& dv);

struct AttentionExtents {
  int64_t n, l, keys, heads, d, dv;
};
// What cuDNN says against its description of attention, or "". Needs the library, not a device.
std::string AttentionObjection(const AttentionExtents& extents, bool gradient);

}  // namespace autograd::cuda
