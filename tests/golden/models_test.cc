// The models against PyTorch and timm: every output, gradient and running statistic of the micro networks.

#include <gtest/gtest.h>

#include <string>

#include "tests/golden/comparison.h"

namespace golden {
namespace {

struct Case {
  std::string name;
  size_t tensors;  // that are compared, counted in the file
};

File FileOf(const Case& given) { return File("tests/golden/" + given.name + ".safetensors"); }

class ModelsGolden : public ::testing::TestWithParam<Case> {};

// With all formulas as they are and next to no rounding: what differs here is another formula.
TEST_P(ModelsGolden, MatchPyTorchInFloat64) {
  const std::vector<Difference> differences = Compare(FileOf(GetParam()), {autograd::kFloat64});
  EXPECT_EQ(differences.size(), GetParam().tensors);
  for (const Difference& difference : differences) EXPECT_LE(difference.value, kFloat64Tolerance) << difference.name;
}

// With the kernels that train, which are other ones on another machine.
TEST_P(ModelsGolden, MatchPyTorchInFloat32) {
  for (const Excess& excess : ExcessesInFloat32(FileOf(GetParam())))
    ADD_FAILURE() << excess.name << " differs by " << excess.value << ", more than " << excess.bound;
}

INSTANTIATE_TEST_SUITE_P(Files, ModelsGolden,
                         ::testing::Values(Case{"convnextv2_micro", 72}, Case{"convnextv2_micro_odd", 72},
                                           Case{"sfpnext_micro", 144}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace golden
