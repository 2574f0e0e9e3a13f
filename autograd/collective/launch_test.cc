#include "autograd/collective/launch.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace autograd {
namespace {

using Variables = std::map<std::string, std::string>;

Environment Holding(const Variables& variables) {
  return [variables](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

LaunchedRank Found(const Variables& variables) {
  const absl::StatusOr<std::optional<LaunchedRank>> launched = FindLaunchedRank(Holding(variables));
  EXPECT_TRUE(launched.ok()) << launched.status().message();
  EXPECT_TRUE(launched.ok() && launched->has_value());
  return launched.ok() && launched->has_value() ? **launched : LaunchedRank();
}

void ExpectInvalid(const Variables& variables, const std::string& text) {
  const absl::StatusOr<std::optional<LaunchedRank>> launched = FindLaunchedRank(Holding(variables));
  ASSERT_FALSE(launched.ok());
  EXPECT_NE(std::string(launched.status().message()).find(text), std::string::npos) << launched.status().message();
}

TEST(LaunchTest, NothingLaunched) {
  const absl::StatusOr<std::optional<LaunchedRank>> launched = FindLaunchedRank(Holding({{"PATH", "/bin"}}));
  ASSERT_TRUE(launched.ok());
  EXPECT_FALSE(launched->has_value());
}

TEST(LaunchTest, OpenMpi) {
  const LaunchedRank rank = Found({{"OMPI_COMM_WORLD_RANK", "5"},
                                   {"OMPI_COMM_WORLD_SIZE", "8"},
                                   {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                   {"SLURM_PROCID", "0"},
                                   {"SLURM_NTASKS", "1"}});
  EXPECT_EQ(rank.rank, 5);
  EXPECT_EQ(rank.world_size, 8);
  EXPECT_EQ(rank.local_rank, 1);
  EXPECT_TRUE(rank.by_mpi);
}

TEST(LaunchTest, Srun) {
  // The step may have fewer tasks than the allocation.
  const LaunchedRank rank = Found({{"SLURM_PROCID", "2"},
                                   {"SLURM_NTASKS", "8"},
                                   {"SLURM_STEP_ID", "0"},
                                   {"SLURM_STEP_NUM_TASKS", "4"},
                                   {"SLURM_LOCALID", "1"}});
  EXPECT_EQ(rank.rank, 2);
  EXPECT_EQ(rank.world_size, 4);
  EXPECT_EQ(rank.local_rank, 1);
  EXPECT_TRUE(rank.by_mpi);
  EXPECT_EQ(rank.note, "");
}

// What Slurm sets for a batch script, whose commands it starts once.
TEST(LaunchTest, AllocationWithoutSrunIsOneRank) {
  const Variables script = {{"SLURM_JOB_ID", "17"}, {"SLURM_PROCID", "0"}, {"SLURM_LOCALID", "0"}};
  const LaunchedRank rank = Found(script);
  EXPECT_EQ(rank.rank, 0);
  EXPECT_EQ(rank.world_size, 1);
  EXPECT_EQ(rank.local_rank, 0);
  EXPECT_NE(rank.note.find("srun"), std::string::npos) << rank.note;
  EXPECT_EQ(rank.note.find('\n'), std::string::npos);
  Variables of_tasks = script;
  of_tasks["SLURM_NTASKS"] = "4";
  EXPECT_EQ(Found(of_tasks).world_size, 1);
  EXPECT_NE(Found(of_tasks).note.find("4 tasks"), std::string::npos) << Found(of_tasks).note;
}

// Other launchers in a batch script are as they are outside of it.
TEST(LaunchTest, LaunchersInsideAnAllocation) {
  const Variables script = {{"SLURM_JOB_ID", "17"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}};
  const auto inside = [&](Variables variables) {
    variables.insert(script.begin(), script.end());
    return Found(variables);
  };
  const LaunchedRank mpirun = inside({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}});
  const LaunchedRank pmi = inside({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}});
  const LaunchedRank torchrun =
      inside({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "29500"}});
  for (const LaunchedRank& rank : {mpirun, pmi, torchrun}) {
    EXPECT_EQ(rank.rank, 1);
    EXPECT_EQ(rank.world_size, 2);
    EXPECT_EQ(rank.note, "");
  }
}

// An interactive shell of Slurm's is a step of one task in an allocation of several.
TEST(LaunchTest, ShellThatSrunStarted) {
  const LaunchedRank rank = Found({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "1"}});
  EXPECT_EQ(rank.world_size, 1);
}

TEST(LaunchTest, Torchrun) {
  const LaunchedRank rank = Found(
      {{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "3"}, {"MASTER_ADDR", "10.0.0.1"}, {"MASTER_PORT", "29500"}});
  EXPECT_EQ(rank.rank, 3);
  EXPECT_FALSE(rank.by_mpi);
  EXPECT_EQ(rank.master_address, "10.0.0.1");
  EXPECT_EQ(rank.master_port, 29500);
}

TEST(LaunchTest, NonsenseNamesTheVariable) {
  ExpectInvalid({{"RANK", "0"}}, "WORLD_SIZE");
  ExpectInvalid({{"RANK", "x"}, {"WORLD_SIZE", "2"}}, "RANK=x");
  ExpectInvalid({{"RANK", "2"}, {"WORLD_SIZE", "2"}}, "RANK=2 is not below WORLD_SIZE=2");
  ExpectInvalid({{"RANK", "0"}, {"WORLD_SIZE", "2"}}, "MASTER_ADDR");
  ExpectInvalid({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "-1"}}, "MASTER_PORT=-1");
  ExpectInvalid({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "0"}}, "OMPI_COMM_WORLD_SIZE=0");
  ExpectInvalid({{"SLURM_PROCID", "4"}, {"SLURM_STEP_NUM_TASKS", "4"}}, "SLURM_PROCID=4");
}

TEST(OpenWorldTest, OneRankNeedsNobody) {
  const auto world = OpenWorld(Stream::Cpu(), std::nullopt);
  ASSERT_TRUE(world.ok());
  EXPECT_EQ((*world)->world_size(), 1);
}

TEST(OpenWorldTest, CpuRanksWithoutMpiAreRefused) {
  LaunchedRank launched;
  launched.world_size = 2;
  launched.by_mpi = false;
  EXPECT_EQ(OpenWorld(Stream::Cpu(), launched).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(LaunchTest, ARankCountsTheDevicesThatItSees) {
  LaunchedRank launched;
  launched.local_rank = 3;
  EXPECT_EQ(CudaDeviceOfRank(launched, 8), 3);
  EXPECT_EQ(CudaDeviceOfRank(launched, 4), 3);
  EXPECT_EQ(CudaDeviceOfRank(launched, 1), 0);
  EXPECT_EQ(CudaDeviceOfRank(launched, 2), 1);
  EXPECT_EQ(CudaDeviceOfRank(launched, 0), 3);  // opening it says why there is none
}

}  // namespace
}  // namespace autograd
