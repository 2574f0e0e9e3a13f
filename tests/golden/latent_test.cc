// The latent policy, its modulations and its losses against plain PyTorch: every output and every gradient.

#include <gtest/gtest.h>

#include "tests/golden/comparison.h"

namespace golden {
namespace {

File TheFile() { return File("tests/golden/latent_micro.safetensors"); }

// With all formulas as they are and next to no rounding: what differs here is another formula.
TEST(LatentGolden, MatchesPyTorchInFloat64) {
  const std::vector<Difference> differences = Compare(TheFile(), {autograd::kFloat64});
  EXPECT_EQ(differences.size(), 40u);  // counted in the file
  for (const Difference& difference : differences) EXPECT_LE(difference.value, kFloat64Tolerance) << difference.name;
}

// With the kernels that train, which are other ones on another machine.
TEST(LatentGolden, MatchesPyTorchInFloat32) {
  for (const Excess& excess : ExcessesInFloat32(TheFile()))
    ADD_FAILURE() << excess.name << " differs by " << excess.value << ", more than " << excess.bound;
}

}  // namespace
}  // namespace golden
