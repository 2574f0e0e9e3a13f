// CiSS-Net against plain PyTorch: every output, reward, loss and gradient of a rollout of the micro nets.

#include <gtest/gtest.h>

#include "tests/golden/comparison.h"

namespace golden {
namespace {

File TheFile() { return File("tests/golden/ciss_net_micro.safetensors"); }

// With all formulas as they are and next to no rounding: what differs here is another formula.
TEST(CissNetGolden, MatchesPyTorchInFloat64) {
  const std::vector<Difference> differences = Compare(TheFile(), {autograd::kFloat64});
  EXPECT_EQ(differences.size(), 90u);  // counted in the file
  for (const Difference& difference : differences) EXPECT_LE(difference.value, kFloat64Tolerance) << difference.name;
}

// With the kernels that train, which are other ones on another machine.
TEST(CissNetGolden, MatchesPyTorchInFloat32) {
  for (const Excess& excess : ExcessesInFloat32(TheFile()))
    ADD_FAILURE() << excess.name << " differs by " << excess.value << ", more than " << excess.bound;
}

}  // namespace
}  // namespace golden
