// CiSS-Net against plain PyTorch: every output, reward, loss and gradient of a rollout of the micro nets.

#include <gtest/gtest.h>

#include "tests/golden/comparison.h"

namespace golden {
namespace {

File TheFile() { return File("tests/golden/ciss_net_micro.safetensors"); }

// With all formulas as they are and next to no rounding: what differs here is another formula. The gradients behind the
// group norms of F_e are sums that cancel.
TEST(CissNetGolden, MatchesPyTorchInFloat64) {
  EXPECT_EQ(Compare(TheFile(), {autograd::kFloat64}).size(), 90u);  // counted in the file
  for (const Excess& excess : ExcessesInFloat64(TheFile()))
    ADD_FAILURE() << excess.name << " differs by " << excess.value << ", more than " << excess.bound;
}

// With the kernels that train, which are other ones on another machine.
TEST(CissNetGolden, MatchesPyTorchInFloat32) {
  for (const Excess& excess : ExcessesInFloat32(TheFile()))
    ADD_FAILURE() << excess.name << " differs by " << excess.value << ", more than " << excess.bound;
}

}  // namespace
}  // namespace golden
