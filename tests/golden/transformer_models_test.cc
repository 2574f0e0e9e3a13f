// The vision transformers against timm and PyTorch: every output and gradient of the micro networks, at the learned grid and at another one that
// patches do not fill.

#include <gtest/gtest.h>

#include <string>

#include "tests/golden/comparison.h"

namespace golden {
namespace {

struct Case {
  std::string name;
  size_t tensors;  // that are compared, counted in the file
};

class TransformerModelsGolden : public ::testing::TestWithParam<Case> {};

TEST_P(TransformerModelsGolden, MatchPyTorch) {
  const std::vector<Difference> differences = Compare(File("tests/golden/" + GetParam().name + ".safetensors"));
  EXPECT_EQ(differences.size(), GetParam().tensors);
  for (const Difference& difference : differences) EXPECT_LE(difference.value, kTolerance) << difference.name;
}

INSTANTIATE_TEST_SUITE_P(Files, TransformerModelsGolden,
                         ::testing::Values(Case{"vit_micro", 42}, Case{"eva02_micro", 54}, Case{"segmenter_micro", 57}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace golden
