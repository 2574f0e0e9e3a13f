// ResNet, DeepLabV3 and FCN against torchvision, SemanticFPN on its ResNet: every output, gradient and running statistic of the micro networks.

#include <gtest/gtest.h>

#include <string>

#include "tests/golden/comparison.h"

namespace golden {
namespace {

struct Case {
  std::string name;
  size_t tensors;  // that are compared, counted in the file
};

class ResNetModelsGolden : public ::testing::TestWithParam<Case> {};

TEST_P(ResNetModelsGolden, MatchTorchvision) {
  const std::vector<Difference> differences = Compare(File("tests/golden/" + GetParam().name + ".safetensors"));
  EXPECT_EQ(differences.size(), GetParam().tensors);
  for (const Difference& difference : differences) EXPECT_LE(difference.value, kTolerance) << difference.name;
}

INSTANTIATE_TEST_SUITE_P(Files, ResNetModelsGolden,
                         ::testing::Values(Case{"resnet_micro", 154}, Case{"deeplabv3_micro", 174},
                                           Case{"fcn_micro", 120}, Case{"semantic_fpn_micro", 183}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace golden
