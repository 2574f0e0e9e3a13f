// What conv2d_cuda.cc tells cuDNN and what it remembers of its answers, by one that computes from its descriptors
// (fake_cudnn.h): no device is needed.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "autograd/cuda/fake_cudnn.h"
#include "autograd/ops/conv2d_cuda.h"
#include "autograd/ops/conv2d_kernels.h"
#include "autograd/runtime/fallbacks.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"

namespace autograd {
namespace {

using testing::AllClose;
using testing::ExpectError;
using testing::RandomArray;

constexpr Conv2dProduct kProducts[] = {Conv2dProduct::kForward, Conv2dProduct::kInputGradient,
                                       Conv2dProduct::kFilterGradient};

Conv2dGeometry Geometry(int64_t size, int64_t c, int64_t o, int64_t filter, int64_t stride, int64_t padding,
                        int64_t dilation, int64_t groups) {
  Conv2dGeometry g;
  g.n = 2, g.h = size, g.w = size + 3, g.c = c, g.o = o, g.kh = filter, g.kw = filter;
  g.stride = stride, g.padding = padding, g.dilation = dilation, g.groups = groups;
  g.oh = (g.h + 2 * padding - g.extent_h()) / stride + 1;
  g.ow = (g.w + 2 * padding - g.extent_w()) / stride + 1;
  return g;
}

struct Operands {
  Operands(const Conv2dGeometry& g, DType dtype)
      : x(RandomArray({g.n, g.h, g.w, g.c}, dtype, RandomKey(1))),
        filter(RandomArray({g.o, g.kh, g.kw, g.group_channels()}, dtype, RandomKey(2))),
        y(RandomArray({g.n, g.oh, g.ow, g.o}, dtype, RandomKey(3))) {}
  Array x, filter, y;

  Array& Result(Conv2dProduct product) {
    return product == Conv2dProduct::kForward ? y : product == Conv2dProduct::kInputGradient ? x : filter;
  }
};

bool ByCudnn(Conv2dProduct product, const Conv2dGeometry& geometry, Operands& operands) {
  return cuda::Conv2dByCudnn(Stream::Cpu(), product, geometry, operands.x, operands.filter, operands.y);
}

void OnTheCpu(Conv2dProduct product, const Conv2dGeometry& geometry, Operands& operands) {
  Stream& cpu = Stream::Cpu();
  if (product == Conv2dProduct::kForward) {
    kernels::Conv2dForward(cpu, geometry, operands.x, operands.filter, Array(), Activation::kNone, nullptr, operands.y);
  } else if (product == Conv2dProduct::kInputGradient) {
    kernels::Conv2dInputGradient(cpu, geometry, operands.filter, operands.y, operands.x);
  } else {
    kernels::Conv2dFilterGradient(cpu, geometry, operands.x, operands.y, operands.filter);
  }
}

TEST(Conv2dPlansTest, TheDescriptorsSayTheFormula) {
  for (const Conv2dGeometry& geometry :
       {Geometry(7, 4, 6, 3, 1, 1, 1, 1), Geometry(8, 3, 5, 4, 4, 0, 1, 1), Geometry(9, 2, 4, 3, 1, 2, 2, 1),
        Geometry(6, 4, 8, 3, 2, 1, 1, 2), Geometry(5, 6, 3, 1, 1, 0, 1, 1)}) {
    for (const DType dtype : {kFloat32, kBFloat16}) {
      for (const Conv2dProduct product : kProducts) {
        Operands measured(geometry, dtype), expected(geometry, dtype);
        ASSERT_TRUE(ByCudnn(product, geometry, measured));
        OnTheCpu(product, geometry, expected);
        // Both round once, the CPU's kernel in its sums as well, whose terms are below 1 and no more than these.
        const auto terms = static_cast<double>(
            std::max(geometry.positions(), geometry.kh * geometry.kw * std::max(geometry.o, geometry.c)));
        EXPECT_TRUE(AllClose(measured.Result(product), expected.Result(product), 2 * testing::UnitRoundoff(dtype),
                             terms * testing::RoundingOfSum(kFloat32, static_cast<int64_t>(terms))))
            << dtype << ", product " << static_cast<int>(product);
      }
    }
  }
}

int64_t TotalFallbacks(const std::string& part) {
  int64_t calls = 0;
  for (const auto& [what, count] : Fallbacks()) {
    if (what.find(part) != std::string::npos) calls += count;
  }
  return calls;
}

// Memory was short when the plan was built, at the first call: the second has one.
TEST(Conv2dPlansTest, ASearchThatMayYetSucceedIsMadeAgain) {
  const Conv2dGeometry geometry = Geometry(5, 2, 3, 3, 1, 1, 1, 1);
  for (const Conv2dProduct product : kProducts) {
    Operands operands(geometry, kFloat32), expected(geometry, kFloat32);
    const int64_t descriptors = cuda::fake_cudnn::LiveDescriptors(), fallbacks = TotalFallbacks("out of device memory");
    cuda::fake_cudnn::FailNextPlan(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED);
    EXPECT_FALSE(ByCudnn(product, geometry, operands));
    EXPECT_EQ(cuda::fake_cudnn::LiveDescriptors(), descriptors);
    EXPECT_EQ(TotalFallbacks("out of device memory") - fallbacks, 1);
    EXPECT_TRUE(ByCudnn(product, geometry, operands));
  }
}

TEST(Conv2dPlansTest, ThatThereIsNoPlanIsAskedOnceAndCounted) {
  const Conv2dGeometry geometry = Geometry(5, 3, 2, 3, 2, 1, 1, 1);
  Operands operands(geometry, kBFloat16);
  cuda::fake_cudnn::HavePlans(false);
  const int64_t searches = cuda::fake_cudnn::Searches();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(ByCudnn(Conv2dProduct::kFilterGradient, geometry, operands));
  cuda::fake_cudnn::HavePlans(true);
  EXPECT_FALSE(ByCudnn(Conv2dProduct::kFilterGradient, geometry, operands));
  EXPECT_EQ(cuda::fake_cudnn::Searches() - searches, 1);
  const std::string what =
      "Conv2d filter gradient, bfloat16 [2, 5, 8, 3], filter [2, 3, 3, 3], stride 2, padding 1: cuDNN has no plan";
  const auto counted = Fallbacks();
  ASSERT_EQ(counted.count(what), 1u) << FallbackReport();
  EXPECT_EQ(counted.at(what), 4);
  EXPECT_NE(FallbackReport().find("4  " + what + "\n"), std::string::npos) << FallbackReport();
  EXPECT_TRUE(ByCudnn(Conv2dProduct::kForward, geometry, operands));
}

// An Error leaves nothing that a later call takes for an answer.
TEST(Conv2dPlansTest, AWrongDescriptionIsAnErrorEachTime) {
  Conv2dGeometry geometry = Geometry(6, 2, 2, 3, 1, 1, 1, 1);
  geometry.oh += 1;
  Operands operands(geometry, kFloat32);
  for (int i = 0; i < 2; ++i) ExpectError([&] { ByCudnn(Conv2dProduct::kForward, geometry, operands); }, "cuDNN");
}

TEST(Conv2dPlansTest, ASliceBetweenAlignedAddressesIsCounted) {
  const Conv2dGeometry geometry = Geometry(3, 1, 2, 3, 1, 1, 1, 1);
  Operands operands(geometry, kFloat32);
  operands.x = RandomArray({5, geometry.h, geometry.w, geometry.c}, kFloat32, RandomKey(4)).Slice(1, 3);
  ASSERT_NE(reinterpret_cast<uintptr_t>(operands.x.raw()) % 16, 0u);
  EXPECT_FALSE(ByCudnn(Conv2dProduct::kForward, geometry, operands));
  EXPECT_EQ(TotalFallbacks("begins between two multiples"), 1) << FallbackReport();
}

}  // namespace
}  // namespace autograd
