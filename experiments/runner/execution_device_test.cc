// Which GPU a launched rank takes, on a machine of which it sees some. These definitions take the place of
// autograd/device's, which the linker then leaves in their archive.

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "autograd/device/open_cuda.h"
#include "experiments/runner/execution.h"

namespace {
int visible_devices = 0;
}  // namespace

namespace autograd::internal {
std::string WhyNoCudaDevice() { return ""; }
int CudaDeviceCount() { return visible_devices; }
std::unique_ptr<Stream> OpenCudaDevice(int index) {
  Require(index < visible_devices, "OpenStream", "invalid device ordinal");
  return std::make_unique<Stream>(Device{DeviceType::kCuda, index}, &Allocator::Cpu());
}
}  // namespace autograd::internal

namespace experiments {
namespace {

// What a rank with this LOCAL_RANK says of itself, and what it writes to standard error.
struct Opened {
  std::string description, said;
};
Opened OpenRank(int local_rank, int visible, const std::string& device = "cuda") {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"}) unsetenv(name);
  setenv("RANK", "0", 1);
  setenv("WORLD_SIZE", "1", 1);
  setenv("LOCAL_RANK", std::to_string(local_rank).c_str(), 1);
  visible_devices = visible;
  ExecutionOptions options;
  options.device = device;
  ::testing::internal::CaptureStderr();
  const absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::Open(options);
  const std::string said = ::testing::internal::GetCapturedStderr();
  if (!execution.ok()) return {std::string(execution.status().message()), said};
  return {(*execution)->Description(), said};
}

TEST(ExecutionDeviceTest, ARankTakesTheGpuOfItsNumber) {
  EXPECT_EQ(OpenRank(0, 4).description, "cuda:0");
  EXPECT_EQ(OpenRank(3, 4).description, "cuda:3");
  EXPECT_EQ(OpenRank(3, 4).said, "");
}

TEST(ExecutionDeviceTest, ARankThatSeesOneGpuTakesIt) {
  EXPECT_EQ(OpenRank(3, 1).description, "cuda:0");
  EXPECT_EQ(OpenRank(3, 1).said, "");
}

// Right where each rank sees two of its own, wrong where five ranks share two: NCCL refuses that later.
TEST(ExecutionDeviceTest, ARankThatCountsFromZeroAgainSaysSo) {
  const Opened opened = OpenRank(3, 2);
  EXPECT_EQ(opened.description, "cuda:1");
  EXPECT_NE(opened.said.find("sees 2 GPUs"), std::string::npos) << opened.said;
}

TEST(ExecutionDeviceTest, AGpuThatWasAskedForByNumberIsTaken) {
  EXPECT_EQ(OpenRank(3, 4, "cuda:2").description, "cuda:2");
  EXPECT_NE(OpenRank(3, 1, "cuda:3").description.find("invalid device ordinal"), std::string::npos);
}

}  // namespace
}  // namespace experiments
