// ResNet, DeepLabV3 and FCN against torchvision, SSSegmentation's FCN, PSPNet and SemanticFPN on its ResNet: every
// output, gradient and running statistic of the micro networks.

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

class ResNetModelsGolden : public ::testing::TestWithParam<Case> {};

// With all formulas as they are and next to no rounding: what differs here is another formula.
TEST_P(ResNetModelsGolden, MatchTorchvisionInFloat64) {
  const std::vector<Difference> differences = Compare(FileOf(GetParam()), {autograd::kFloat64});
  EXPECT_EQ(differences.size(), GetParam().tensors);
  for (const Difference& difference : differences) EXPECT_LE(difference.value, kFloat64Tolerance) << difference.name;
}

// With the kernels that train, which are other ones on another machine.
TEST_P(ResNetModelsGolden, MatchTorchvisionInFloat32) {
  for (const Excess& excess : ExcessesInFloat32(FileOf(GetParam())))
    ADD_FAILURE() << excess.name << " differs by " << excess.value << ", more than " << excess.bound;
}

INSTANTIATE_TEST_SUITE_P(Files, ResNetModelsGolden,
                         ::testing::Values(Case{"resnet_micro", 154}, Case{"deeplabv3_micro", 174},
                                           Case{"fcn_micro", 120}, Case{"fcn_sss_micro", 140},
                                           Case{"pspnet_micro", 164}, Case{"pspnet_semseg_micro", 176},
                                           Case{"semantic_fpn_micro", 183}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace golden
