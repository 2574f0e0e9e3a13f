#pragma once

// Ranks as processes with a GPU each, by NCCL, which is opened at run time. Sums are taken in an order that NCCL
// chooses: the same on every rank and, for the same machines, in every run, but not that of the other implementations.
// bfloat16 is summed in float32. Ranks that make different calls are not found out, as that would take a wait for each
// call: they hang.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"

namespace autograd {

// Names one world; made on rank 0 and brought to the others. FailedPrecondition, with the reason, where there is no
// NCCL.
absl::StatusOr<std::string> NewNcclWorldId();

// `stream` is the rank's CUDA stream and must outlive the result. Waits for the other ranks. Arrays on the host are
// taken through the device.
absl::StatusOr<std::unique_ptr<Collective>> NcclWorld(Stream& stream, int rank, int world_size, const std::string& id);

}  // namespace autograd
