#pragma once

// NCCL and the queues of CUDA for tests without a device. A test that has fake_nccl.cc among its sources gets this
// Nccl::Library in place of nccl_library.cc's, which the linker then leaves in its archive; the functions of CUDA's
// runtime are replaced by the linker's --wrap, one by one (BUILD).
//
// A sum is done when every rank of its world has asked for it, with the same dtype and count (an autograd::Error
// otherwise); arrays lie in host memory. One thread plays all ranks: it never waits, but what would wait for a rank
// that has not come is counted.

#include <cstdint>

namespace autograd::fake_nccl {

struct Counts {
  int64_t waits_for_ever = 0;  // synchronised or destroyed while a sum lacked a rank
  int64_t destroyed = 0, aborted = 0;
  // Of one communicator. NCCL orders what a communicator is given on several queues, so they wait for each other.
  int64_t most_queues = 0;
};
Counts TakeCounts();

}  // namespace autograd::fake_nccl
