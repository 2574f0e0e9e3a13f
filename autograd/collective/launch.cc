#include "autograd/collective/launch.h"

#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "autograd/collective/mpi.h"
#include "autograd/collective/nccl.h"

namespace autograd {
namespace {

constexpr char kSlurmRank[] = "SLURM_PROCID", kSlurmStepTasks[] = "SLURM_STEP_NUM_TASKS";

struct Launcher {
  const char *rank, *world_size, *local_rank;
  bool by_mpi;
};

// In the order of trust: srun also sets its variables around an mpirun inside it.
constexpr Launcher kLaunchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", true},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", true},
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", false},
    {kSlurmRank, kSlurmStepTasks, "SLURM_LOCALID", true},
};

// A Slurm allocation in which srun did not start this process.
LaunchedRank AloneInAllocation(const Environment& environment) {
  const std::optional<std::string> tasks = environment("SLURM_NTASKS");
  LaunchedRank alone;
  alone.by_mpi = false;
  alone.note = absl::StrCat("this Slurm allocation", tasks.has_value() ? absl::StrCat(" of ", *tasks, " tasks") : "",
                            " runs the program once, as one rank; srun in front of it starts one for each task");
  return alone;
}

absl::StatusOr<int> Number(const Environment& environment, const char* name, int least) {
  const std::optional<std::string> text = environment(name);
  int value = 0;
  if (!text.has_value()) return absl::InvalidArgumentError(absl::StrCat("the launcher did not set ", name));
  if (!absl::SimpleAtoi(*text, &value) || value < least)
    return absl::InvalidArgumentError(absl::StrCat(name, "=", *text, " is not a number of at least ", least));
  return value;
}

// The other ranks receive the bytes of rank 0.
absl::StatusOr<std::string> ShareId(Collective& collective) {
  StreamScope on_the_cpu(Stream::Cpu());
  absl::StatusOr<std::string> id = NewNcclWorldId();
  double failures[1] = {id.ok() ? 0.0 : 1.0};
  collective.AllReduceSum(failures);
  if (!id.ok()) return id.status();
  if (failures[0] > 0) return absl::FailedPreconditionError("NCCL is missing on another rank");
  Array bytes = Array::FromHost({static_cast<int64_t>(id->size())}, kUInt8, id->data());
  collective.Broadcast(bytes, 0);
  bytes.CopyToHost(id->data());
  return id;
}

}  // namespace

std::optional<std::string> ProcessEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

absl::StatusOr<std::optional<LaunchedRank>> FindLaunchedRank(const Environment& environment) {
  for (const Launcher& launcher : kLaunchers) {
    if (!environment(launcher.rank).has_value()) continue;
    if (launcher.rank == kSlurmRank && !environment(kSlurmStepTasks).has_value())
      return std::optional<LaunchedRank>(AloneInAllocation(environment));
    LaunchedRank launched;
    launched.by_mpi = launcher.by_mpi;
    const absl::StatusOr<int> world_size = Number(environment, launcher.world_size, 1),
                              rank = Number(environment, launcher.rank, 0);
    if (!world_size.ok()) return world_size.status();
    if (!rank.ok()) return rank.status();
    launched.world_size = *world_size;
    launched.rank = *rank;
    if (launched.rank >= launched.world_size)
      return absl::InvalidArgumentError(
          absl::StrCat(launcher.rank, "=", launched.rank, " is not below ", launcher.world_size, "=", *world_size));
    if (environment(launcher.local_rank).has_value()) {
      const absl::StatusOr<int> local_rank = Number(environment, launcher.local_rank, 0);
      if (!local_rank.ok()) return local_rank.status();
      launched.local_rank = *local_rank;
    }
    if (launched.world_size == 1) return std::optional<LaunchedRank>(launched);
    if (!launched.by_mpi) {
      const std::optional<std::string> address = environment("MASTER_ADDR");
      if (!address.has_value()) return absl::InvalidArgumentError("the launcher did not set MASTER_ADDR");
      const absl::StatusOr<int> port = Number(environment, "MASTER_PORT", 1);
      if (!port.ok()) return port.status();
      launched.master_address = *address;
      launched.master_port = *port;
    }
    return std::optional<LaunchedRank>(launched);
  }
  return std::optional<LaunchedRank>();
}

int CudaDeviceOfRank(const LaunchedRank& launched, int visible) {
  return visible > 0 ? launched.local_rank % visible : launched.local_rank;
}

absl::StatusOr<std::unique_ptr<Collective>> OpenWorld(Stream& stream, const std::optional<LaunchedRank>& launched) {
  const bool on_cuda = stream.device().type == DeviceType::kCuda;
  if (!launched.has_value() || launched->world_size == 1) return std::make_unique<OneRank>();
  if (launched->by_mpi) {
    std::unique_ptr<Collective> world = MpiWorld();
    if (world->world_size() != launched->world_size) {
      return absl::FailedPreconditionError(absl::StrCat("the launcher speaks of ", launched->world_size,
                                                        " ranks, but MPI of ", world->world_size(),
                                                        ": start the program with the launcher of the same MPI"));
    }
    if (!on_cuda) return world;
    const absl::StatusOr<std::string> id = ShareId(*world);
    if (!id.ok()) return id.status();
    return NcclWorld(stream, launched->rank, launched->world_size, *id);
  }
  if (!on_cuda)
    return absl::FailedPreconditionError(
        "several ranks on CPUs talk through MPI: start them with mpirun or srun, not with RANK and WORLD_SIZE");
  // NCCL's own meeting: with this variable every rank computes the same id, and rank 0 listens there.
  const std::string meeting = absl::StrCat(launched->master_address, ":", launched->master_port + 1);
  setenv("NCCL_COMM_ID", meeting.c_str(), 0);
  const absl::StatusOr<std::string> id = NewNcclWorldId();
  if (!id.ok()) return id.status();
  return NcclWorld(stream, launched->rank, launched->world_size, *id);
}

}  // namespace autograd
