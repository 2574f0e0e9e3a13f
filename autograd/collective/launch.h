#pragma once

// Which rank this process is, by the variables that launchers set: Open MPI's mpirun, other MPI launchers and srun, and
// the RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT of torchrun and of Kubernetes operators.
//
// Slurm sets SLURM_PROCID, SLURM_LOCALID and SLURM_NTASKS for a batch script as well, which is one process however many
// tasks its allocation has; only srun sets SLURM_STEP_NUM_TASKS (man pages of sbatch and srun, "output environment
// variables").

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"

namespace autograd {

struct LaunchedRank {
  int rank = 0, world_size = 1;
  int local_rank = 0;  // among the ranks of this machine
  bool by_mpi = true;  // MPI can be initialised; otherwise the two below are set
  std::string master_address;
  int master_port = 0;
  std::string note;  // one line for people, where this may not be what they expect; else empty
};

// The value of a variable, or nothing.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> ProcessEnvironment(const char* name);

// Nothing where no launcher has set anything; one rank, with a note, in a Slurm allocation without srun;
// InvalidArgument, naming the variable, where they make no sense.
absl::StatusOr<std::optional<LaunchedRank>> FindLaunchedRank(const Environment& environment = ProcessEnvironment);

// The CUDA device of a rank that sees `visible` of them: its own among those of its machine. Launchers may also give
// each rank devices of its own (srun --gpus-per-task, CUDA_VISIBLE_DEVICES by rank), which it then counts from 0.
int CudaDeviceOfRank(const LaunchedRank& launched, int visible);

// The world of this process: one rank where nothing was launched; otherwise MPI for a stream of the CPU and NCCL for
// one of CUDA, which meet through MPI or at MASTER_ADDR:MASTER_PORT + 1 (torchrun's own store listens at the port
// itself).
absl::StatusOr<std::unique_ptr<Collective>> OpenWorld(Stream& stream, const std::optional<LaunchedRank>& launched);

}  // namespace autograd
