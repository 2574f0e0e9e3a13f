// The emulator against CUDA's programming guide: identity of threads, barriers, warp operations, and the mistakes that
// it must report.

#include "autograd/testing/emulator/emulator.h"

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/testing/emulator/emulated_device.h"

namespace {

using cuda_emulator::RunKernel;
using cuda_emulator::SetThreadOrder;
using cuda_emulator::ThreadOrder;

constexpr unsigned kAll = 0xFFFFFFFFu;

void ExpectFailure(const std::function<void()>& function, const std::string& text) {
  try {
    function();
    ADD_FAILURE() << "no Error; expected one with: " << text;
  } catch (const autograd::Error& error) {
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
}

class EmulatorTest : public ::testing::TestWithParam<ThreadOrder> {
 protected:
  void SetUp() override { SetThreadOrder(GetParam()); }
  void TearDown() override { SetThreadOrder(ThreadOrder::kForward); }
};
INSTANTIATE_TEST_SUITE_P(Orders, EmulatorTest, ::testing::Values(ThreadOrder::kForward, ThreadOrder::kReverse));

TEST_P(EmulatorTest, EveryThreadOfEveryBlockRunsOnce) {
  std::multiset<unsigned> seen;
  RunKernel(dim3(3, 2, 2), dim3(5, 3, 2), [&] {
    const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    seen.insert((block * blockDim.z + threadIdx.z) * blockDim.y * blockDim.x + threadIdx.y * blockDim.x + threadIdx.x);
  });
  EXPECT_EQ(seen.size(), 360u);
  EXPECT_EQ(std::set<unsigned>(seen.begin(), seen.end()).size(), 360u);
  EXPECT_EQ(*seen.rbegin(), 359u);
}

TEST_P(EmulatorTest, BarriersOrderTheUseOfSharedMemory) {
  std::vector<int> reversed(96);
  RunKernel(1, 96, [&] {
    SHARED_MEMORY(values, int[96]);
    const int i = static_cast<int>(threadIdx.x);
    values[i] = i;
    __syncthreads();
    const int other = values[95 - i];
    __syncthreads();
    values[i] = other;
    __syncthreads();
    reversed[95 - i] = values[95 - i];
  });
  for (int i = 0; i < 96; ++i) EXPECT_EQ(reversed[i], 95 - i);
}

TEST_P(EmulatorTest, ThreadsThatReturnedAreNotWaitedFor) {
  int passed = 0;
  RunKernel(1, 64, [&] {
    if (threadIdx.x >= 40) return;
    __syncthreads();
    ++passed;
  });
  EXPECT_EQ(passed, 40);
}

TEST_P(EmulatorTest, WarpOperations) {
  std::vector<int> sums(64), firsts(64), downs(64), ups(64);
  std::vector<unsigned> votes(64);
  std::vector<double> wide(64);
  RunKernel(1, 64, [&] {
    const int i = static_cast<int>(threadIdx.x);
    int sum = i;
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(kAll, sum, offset);
    sums[i] = sum;
    firsts[i] = __shfl_sync(kAll, i, 8, 8);
    downs[i] = __shfl_down_sync(kAll, i, 4);
    ups[i] = __shfl_up_sync(kAll, i, 1, 16);
    votes[i] = __ballot_sync(kAll, i % 3 == 0);
    wide[i] = __shfl_sync(kAll, 0.5 * i, 31);
  });
  for (int i = 0; i < 64; ++i) {
    const int first = i / 32 * 32;
    EXPECT_EQ(sums[i], 32 * first + 31 * 16);
    EXPECT_EQ(firsts[i], i / 8 * 8);  // source 8 of a group of 8 wraps to 0
    EXPECT_EQ(downs[i], i % 32 < 28 ? i + 4 : i);
    EXPECT_EQ(ups[i], i % 16 == 0 ? i : i - 1);
    for (int lane = 0; lane < 32; ++lane) EXPECT_EQ(votes[i] >> lane & 1, (first + lane) % 3 == 0 ? 1u : 0u);
    EXPECT_EQ(wide[i], 0.5 * (first + 31));
  }
}

TEST_P(EmulatorTest, HalvesOfAWarpMayDiverge) {
  std::vector<int> sums(32);
  RunKernel(1, 32, [&] {
    const int i = static_cast<int>(threadIdx.x);
    int sum = i;
    if (i < 16) {
      for (int offset = 8; offset > 0; offset /= 2) sum += __shfl_xor_sync(0x0000FFFFu, sum, offset);
    } else {
      for (int offset = 8; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xFFFF0000u, sum, offset);
    }
    sums[i] = sum;
  });
  EXPECT_EQ(sums[3], 120);
  EXPECT_EQ(sums[20], 376);
}

TEST_P(EmulatorTest, SharedMemoryStartsWithoutContents) {
  std::vector<float> read(2);
  RunKernel(2, 1, [&] {
    SHARED_MEMORY(value, float);
    read[blockIdx.x] = value;
    value = 1;
  });
  EXPECT_TRUE(std::isnan(read[0]));
  EXPECT_TRUE(std::isnan(read[1]));
}

TEST_P(EmulatorTest, MistakesAreErrors) {
  ExpectFailure(
      [] {
        RunKernel(1, 32, [] {
          if (threadIdx.x < 16) {
            __syncthreads();
          } else {
            __syncwarp();
          }
        });
      },
      "different barriers: 16 threads at __syncthreads, 16 at warp operations");
  ExpectFailure(
      [] {
        RunKernel(1, 32, [] {
          if (threadIdx.x == 5) return;
          __shfl_sync(kAll, 1, 5);
        });
      },
      "reads lane 5");
  ExpectFailure([] { RunKernel(1, 32, [] { __shfl_sync(0x0000FFFFu, 1, 0); }); }, "not in its own mask");
  ExpectFailure(
      [] {
        RunKernel(1, 1, [] {
          SHARED_MEMORY(values, double[8000]);
          values[0] = 0;
        });
      },
      "shared memory");
}

TEST(EmulatorOrderTest, AMissingBarrierShows) {
  std::vector<std::vector<int>> results;
  for (ThreadOrder order : {ThreadOrder::kForward, ThreadOrder::kReverse}) {
    SetThreadOrder(order);
    std::vector<int> copied(32);
    RunKernel(1, 32, [&] {
      SHARED_MEMORY(values, int[32]);
      values[threadIdx.x] = static_cast<int>(threadIdx.x);
      copied[threadIdx.x] = values[31 - threadIdx.x];
    });
    results.push_back(copied);
  }
  SetThreadOrder(ThreadOrder::kForward);
  EXPECT_NE(results[0], results[1]);
}

void Scale(const float* x, float factor, float* y) { y[threadIdx.x] = factor * x[threadIdx.x]; }

TEST(EmulatedDeviceTest, LaunchesReadTheirArguments) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  const auto block = stream->allocator().Allocate(32 * sizeof(float));
  std::vector<float> host(32);
  std::iota(host.begin(), host.end(), 0.0f);
  stream->CopyFromHost(block.pointer, host.data(), 32 * sizeof(float));
  const auto* x = static_cast<const float*>(block.pointer);
  auto* y = static_cast<float*>(block.pointer);
  float factor = 3;
  void* arguments[] = {&x, &factor, &y};
  EXPECT_EQ(cudaLaunchKernel(Scale, dim3(1), dim3(32), arguments, 0, nullptr), cudaSuccess);
  EXPECT_EQ(cudaLaunchKernel(Scale, dim3(1), dim3(2048), arguments, 0, nullptr), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaLaunchKernel(Scale, dim3(1, 70000), dim3(32), arguments, 0, nullptr), cudaErrorInvalidConfiguration);
  stream->CopyToHost(host.data(), block.pointer, 32 * sizeof(float));
  stream->allocator().Free(block);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(host[i], 3.0f * i);
}

void Nothing() {}

TEST(EmulatedDeviceTest, AStreamTakesKernelsWhileItsDeviceIsCurrent) {
  const auto first = cuda_emulator::OpenEmulatedStream(0), second = cuda_emulator::OpenEmulatedStream(1);
  const auto launch = [](const autograd::Stream& stream) {
    return cudaLaunchKernel(Nothing, dim3(1), dim3(1), nullptr, 0, stream.native());
  };
  EXPECT_EQ(launch(*first), cudaSuccess);
  EXPECT_EQ(launch(*second), cudaErrorInvalidResourceHandle);
  {
    const autograd::StreamScope scope(*first);
    {
      const autograd::StreamScope inner(*second);
      EXPECT_EQ(launch(*second), cudaSuccess);
      EXPECT_EQ(launch(*first), cudaErrorInvalidResourceHandle);
      {
        const autograd::StreamScope on_the_cpu(autograd::Stream::Cpu());
        EXPECT_EQ(launch(*second), cudaSuccess);
      }
      EXPECT_EQ(launch(*second), cudaSuccess);
    }
    EXPECT_EQ(launch(*first), cudaSuccess);
    EXPECT_EQ(launch(*second), cudaErrorInvalidResourceHandle);
  }
  // A thread starts with device 0, whatever others do.
  const autograd::StreamScope scope(*second);
  std::thread([&] {
    EXPECT_EQ(launch(*second), cudaErrorInvalidResourceHandle);
    const autograd::StreamScope here(*second);
    EXPECT_EQ(launch(*second), cudaSuccess);
  }).join();
}

// What StorePack (core/launch_cuda.h) asks before it writes with an instruction for the device's memory.
TEST(EmulatedDeviceTest, SharedMemoryIsTold) {
  float host = 0;
  EXPECT_TRUE(cuda_emulator::IsGlobal(&host));
  RunKernel(1, 32, [&] {
    SHARED_MEMORY(values, float[32]);
    EXPECT_FALSE(cuda_emulator::IsGlobal(&values[threadIdx.x]));
    EXPECT_TRUE(cuda_emulator::IsGlobal(&host));
  });
}

TEST(EmulatedDeviceTest, MemoryStartsAsNaN) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  const auto block = stream->allocator().Allocate(3 * sizeof(float));
  float values[3];
  stream->CopyToHost(values, block.pointer, sizeof(values));
  stream->allocator().Free(block);
  for (float value : values) EXPECT_TRUE(std::isnan(value));
}

TEST(EmulatedDeviceDeathTest, TheHostCannotTouchDeviceMemory) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  const auto block = stream->allocator().Allocate(sizeof(float));
  EXPECT_DEATH(*static_cast<volatile float*>(block.pointer) = 1, "");
  stream->allocator().Free(block);
}

}  // namespace
