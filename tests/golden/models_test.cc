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

class ModelsGolden : public ::testing::TestWithParam<Case> {};

TEST_P(ModelsGolden, MatchPyTorch) {
  const std::vector<Difference> differences = Compare(File("tests/golden/" + GetParam().name + ".safetensors"));
  EXPECT_EQ(differences.size(), GetParam().tensors);
  for (const Difference& difference : differences) EXPECT_LE(difference.value, kTolerance) << difference.name;
}

INSTANTIATE_TEST_SUITE_P(Files, ModelsGolden,
                         ::testing::Values(Case{"convnextv2_micro", 72}, Case{"convnextv2_micro_odd", 72},
                                           Case{"sfpnext_micro", 144}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace golden
