// NCCL in a world of one GPU: every call of ours reaches the library with arguments that it takes. Sums of several
// ranks are for machines with several.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/collective/collective_contract.h"
#include "autograd/collective/nccl.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/matmul.h"
#include "autograd/testing/cuda_device.h"

namespace autograd {
namespace {

class NcclTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::OpenCudaOrSkip("cuda", stream_);
    if (stream_ == nullptr) return;
    const absl::StatusOr<std::string> id = NewNcclWorldId();
    if (!id.ok()) GTEST_SKIP() << id.status().message();
    absl::StatusOr<std::unique_ptr<Collective>> world = NcclWorld(*stream_, 0, 1, *id);
    ASSERT_TRUE(world.ok()) << world.status().message();
    world_ = *std::move(world);
  }

  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Collective> world_;
};

TEST_F(NcclTest, AWorldOfOneKeepsTheContract) { testing::CheckCollectiveContract(*world_); }

TEST_F(NcclTest, TheContractHoldsOnTheDevice) {
  StreamScope scope(*stream_);
  testing::CheckCollectiveContract(*world_);
}

// A sum is started on arrays that kernels still write, and kernels read it after FinishSums: neither waits for the
// host.
TEST_F(NcclTest, SumsBesideTheStreamSeeWhatWasQueued) {
  StreamScope scope(*stream_);
  for (int round = 0; round < 20; ++round) {
    const Variable ones(Array::Full({512, 512}, kFloat32, 1));
    Array product = MatMul(ones, ones).array();
    world_->StartSum(product);
    const Array beside = MatMul(ones, ones).array();
    world_->FinishSums();
    const std::vector<float> both = Add(Variable(product), Variable(beside)).array().ToVector<float>();
    ASSERT_EQ(both, std::vector<float>(both.size(), 1024.0f)) << "round " << round;
  }
}

}  // namespace
}  // namespace autograd
