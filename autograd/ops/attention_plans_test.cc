// What attention_cuda.cc tells cuDNN and what it remembers of its answers, by one that computes from its descriptors
// (fake_cudnn.h): no device is needed.

#include <gtest/gtest.h>

#include <string>

#include "autograd/cuda/fake_cudnn.h"
#include "autograd/ops/attention_cuda.h"
#include "autograd/ops/attention_kernels.h"
#include "autograd/runtime/fallbacks.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"

namespace autograd {
namespace {

using testing::AllClose;
using testing::RandomArray;

constexpr int64_t kImages = 2, kHeads = 2, kWidth = 8;

struct Operands {
  Operands(int64_t queries, int64_t keys)
      : q(RandomArray({kImages, queries, kHeads, kWidth}, kBFloat16, RandomKey(1))),
        k(RandomArray({kImages, keys, kHeads, kWidth}, kBFloat16, RandomKey(2))),
        v(RandomArray({kImages, keys, kHeads, 2 * kWidth}, kBFloat16, RandomKey(3))),
        y(Array::Empty({kImages, queries, kHeads, 2 * kWidth}, kBFloat16)),
        log_sums(Array::Empty({kImages, kHeads, queries}, kFloat32)) {}
  bool ByCudnn() { return cuda::AttentionByCudnn(Stream::Cpu(), q, k, v, 0.3, y, log_sums); }

  Array q, k, v, y, log_sums;
};

TEST(AttentionPlansTest, TheDescriptorsSayTheFormula) {
  Operands measured(5, 7), expected(5, 7);
  ASSERT_TRUE(measured.ByCudnn());
  kernels::AttentionForward(Stream::Cpu(), expected.q, expected.k, expected.v, 0.3, expected.y, expected.log_sums);
  EXPECT_TRUE(AllClose(measured.y, expected.y, 2 * testing::UnitRoundoff(kBFloat16)));
  // Sums of 8 products and of 7 exponentials.
  EXPECT_TRUE(AllClose(measured.log_sums, expected.log_sums, 2 * testing::RoundingOfSum(kFloat32, 15)));
}

TEST(AttentionPlansTest, ASearchThatMayYetSucceedIsMadeAgain) {
  Operands operands(4, 6);
  cuda::fake_cudnn::FailNextPlan(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED);
  EXPECT_FALSE(operands.ByCudnn());
  EXPECT_TRUE(operands.ByCudnn());
}

TEST(AttentionPlansTest, WhatCudnnDoesNotRunIsCounted) {
  Operands operands(3, 6);
  cuda::fake_cudnn::HavePlans(false);
  const int64_t searches = cuda::fake_cudnn::Searches();
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(operands.ByCudnn());
  cuda::fake_cudnn::HavePlans(true);
  EXPECT_EQ(cuda::fake_cudnn::Searches() - searches, 1);
  const std::string geometry = "bfloat16, 2 images, 3 queries, 6 keys, 2 heads of 8 and 16: ";
  const auto counted = Fallbacks();
  const auto found = counted.find("Attention, " + geometry + "cuDNN has no plan");
  ASSERT_NE(found, counted.end()) << FallbackReport();
  EXPECT_EQ(found->second, 2);

  // The fake has a plan for the gradient and cannot run it.
  Operands gradients(3, 6);
  EXPECT_FALSE(cuda::AttentionGradientByCudnn(Stream::Cpu(), operands.q, operands.k, operands.v, operands.y,
                                              operands.log_sums, operands.y, 0.3, gradients.q, gradients.k,
                                              gradients.v));
  EXPECT_EQ(Fallbacks().count("Attention gradient, " + geometry + "cudnnBackendExecute: a status of the fake"), 1u)
      << FallbackReport();
}

}  // namespace
}  // namespace autograd
