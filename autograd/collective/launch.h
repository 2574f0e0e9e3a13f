#pragma once

// Which rank this process is, by the variables that launchers set: Open MPI's mpirun, other MPI launchers and srun, and the RANK, WORLD_SIZE,
// LOCAL_RANK, MASTER_ADDR and MASTER_PORT of torchrun and of Kubernetes operators.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"

namespace autograd {

struct LaunchedRank {
  int rank = 0, world_size = 1;
  int local_rank = 0;  // among the ranks of this machine: the GPU to take
  bool by_mpi = true;  // MPI can be initialised; otherwise the two below are set
  std::string master_address;
  int master_port = 0;
};

// The value of a variable, or nothing.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> ProcessEnvironment(const char* name);

// Nothing where no launcher has set anything; InvalidArgument, naming the variable, where they make no sense.
absl::StatusOr<std::optional<LaunchedRank>> FindLaunchedRank(const Environment& environment = ProcessEnvironment);

// The world of this process: one rank where nothing was launched; otherwise MPI for a stream of the CPU and NCCL for one of CUDA, which meet through
// MPI or at MASTER_ADDR:MASTER_PORT + 1 (torchrun's own store listens at the port itself).
absl::StatusOr<std::unique_ptr<Collective>> OpenWorld(Stream& stream, const std::optional<LaunchedRank>& launched);

}  // namespace autograd
