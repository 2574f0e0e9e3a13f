#pragma once

// cuDNN's graph interface for tests without a device. A test that has fake_cudnn.cc among its sources gets this
// Cudnn::Library in place of cudnn_library.cc's, which the linker then leaves in its archive. Tensors lie in host
// memory.
//
// It knows graphs of one operation, a convolution's three products and attention's forward pass, refuses descriptions
// whose extents do not go together, and computes from the descriptors alone (extents, strides, paddings, ids of the
// operands) in float64, rounded once. Its heuristic names one engine, without notes.

#include <cudnn.h>

#include <cstdint>

namespace autograd::cuda::fake_cudnn {

// Whether an execution plan can be built from now on; CUDNN_STATUS_NOT_SUPPORTED otherwise.
void HavePlans(bool have);
// The next execution plan cannot be built for this reason.
void FailNextPlan(cudnnStatus_t status);

// How often plans were searched, and descriptors that were created and not destroyed.
int64_t Searches();
int64_t LiveDescriptors();

}  // namespace autograd::cuda::fake_cudnn
