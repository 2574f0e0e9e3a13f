#pragma once

// A cuBLASLt for tests without a device. A test that has fake_cublaslt.cc among its sources gets this CublasLt::Library
// in place of cublaslt.cc's, which the linker then leaves in its archive. Matrices lie in host memory.
//
// The documentation of cublasLt.h is what it keeps to:
//   - sizes of attributes, dtypes and extents that go together (an autograd::Error otherwise);
//   - a product is computed from its descriptors alone: leading dimensions, batch strides, transpositions and
//     epilogues, in float64, rounded once;
//   - an algorithm is for addresses that are aligned as they were when it was chosen, the bias's included;
//   - where the preference allows it, a long sum is cut in two and its parts are rounded to the result's dtype.

#include <cublasLt.h>

#include <cstdint>

namespace autograd::cuda::fake_cublaslt {

// Sums longer than this are cut in two halves.
constexpr int64_t kSplit = 512;

// The next question for an algorithm is answered with this status, and no algorithm.
void FailNextHeuristic(cublasStatus_t status);

// How often an algorithm was asked for, and descriptors that were created and not destroyed.
int64_t Heuristics();
int64_t LiveDescriptors();

}  // namespace autograd::cuda::fake_cublaslt
