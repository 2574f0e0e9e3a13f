// What cuDNN is told about a convolution, checked by the library itself, which needs no device for that.

#include <gtest/gtest.h>

#include <string>

#include "autograd/cuda/cudnn.h"
#include "autograd/ops/conv2d_cuda.h"
#include "autograd/ops/conv2d_geometry.h"

namespace autograd {
namespace {

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

class CudnnTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cuda::Cudnn::Library().missing.empty()) GTEST_SKIP() << cuda::Cudnn::Library().missing;
  }
};

TEST_F(CudnnTest, TakesTheDescriptionsOfTheNetworksConvolutions) {
  const Conv2dGeometry geometries[] = {Geometry(32, 128, 128, 3, 1, 1, 1, 1), Geometry(64, 3, 80, 4, 4, 0, 1, 1),
                                       Geometry(33, 80, 160, 2, 2, 0, 1, 1),  Geometry(28, 64, 64, 3, 1, 2, 2, 1),
                                       Geometry(20, 32, 64, 3, 2, 1, 1, 4),   Geometry(16, 256, 59, 1, 1, 0, 1, 1)};
  for (const Conv2dGeometry& geometry : geometries) {
    for (DType dtype : {kFloat32, kBFloat16}) {
      for (Conv2dProduct product : kProducts) {
        EXPECT_EQ(cuda::CudnnObjection(product, geometry, dtype), "")
            << "product " << static_cast<int>(product) << " of " << geometry.c << " to " << geometry.o
            << " channels, filter " << geometry.kh;
      }
    }
  }
}

TEST_F(CudnnTest, ObjectsToAWrongOutputSize) {
  Conv2dGeometry geometry = Geometry(32, 16, 16, 3, 1, 1, 1, 1);
  geometry.oh += 1;
  for (Conv2dProduct product : kProducts) EXPECT_NE(cuda::CudnnObjection(product, geometry, kFloat32), "");
}

}  // namespace
}  // namespace autograd
