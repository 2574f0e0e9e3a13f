// Distillation, pseudo-labels and losses of PLOP and MiB against plain PyTorch: every output and every gradient.

#include <gtest/gtest.h>

#include "tests/golden/comparison.h"

namespace golden {
namespace {

File TheFile() { return File("tests/golden/continual_micro.safetensors"); }

// With all formulas as they are and next to no rounding: what differs here is another formula.
TEST(ContinualGolden, MatchesPyTorchInFloat64) {
  const std::vector<Difference> differences = Compare(TheFile(), {autograd::kFloat64});
  EXPECT_EQ(differences.size(), 22u);  // counted in the file, the prediction twice
  for (const Difference& difference : differences) EXPECT_LE(difference.value, kFloat64Tolerance) << difference.name;
}

// With the kernels that train, which are other ones on another machine.
TEST(ContinualGolden, MatchesPyTorchInFloat32) {
  for (const Excess& excess : ExcessesInFloat32(TheFile()))
    ADD_FAILURE() << excess.name << " differs by " << excess.value << ", more than " << excess.bound;
}

}  // namespace
}  // namespace golden
