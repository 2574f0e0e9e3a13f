// What cuDNN is told about attention, checked by the library itself, which needs no device for that.

#include <gtest/gtest.h>

#include "autograd/cuda/cudnn.h"
#include "autograd/ops/attention_cuda.h"

namespace autograd {
namespace {

class CudnnTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cuda::Cudnn::Library().missing.empty()) GTEST_SKIP() << cuda::Cudnn::Library().missing;
  }
};

TEST_F(CudnnTest, TakesTheDescriptionsOfTheNetworksAttention) {
  const cuda::AttentionExtents extents[] = {{2, 256, 256, 1, 64, 128},  // SFPNeXt's
                                            {1, 1025, 1025, 12, 64, 64},
                                            {4, 197, 59, 16, 64, 64}};
  for (const cuda::AttentionExtents& e : extents) {
    EXPECT_EQ(cuda::AttentionObjection(e, false), "") << e.l << " queries";
    EXPECT_EQ(cuda::AttentionObjection(e, true), "") << e.l << " queries";
  }
}

}  // namespace
}  // namespace autograd
