// The vision transformers and the networks on them against timm, transformers and PyTorch: every output, gradient and
// running statistic of the micro networks; the plain ones also at another grid than the learned one, that patches do
// not fill.

#include <gtest/gtest.h>

#include <string>

#include "tests/golden/comparison.h"

namespace golden {
namespace {

struct Case {
  std::string name;
  size_t tensors;  // that are compared, counted in the file
  // The masks of a Segmenter, products of unit vectors, are float32 in any arithmetic, and are divided by their
  // deviation over a pixel's classes: of vectors of ten channels a third, of some pixels a tenth.
  double magnified = 1;
};

File FileOf(const Case& given) { return File("tests/golden/" + given.name + ".safetensors"); }

class TransformerModelsGolden : public ::testing::TestWithParam<Case> {};

// With all formulas as they are and next to no rounding: what differs here is another formula.
TEST_P(TransformerModelsGolden, MatchPyTorchInFloat64) {
  const std::vector<Difference> differences = Compare(FileOf(GetParam()), {autograd::kFloat64});
  EXPECT_EQ(differences.size(), GetParam().tensors);
  for (const Difference& difference : differences) {
    EXPECT_LE(difference.value, GetParam().magnified * kFloat64Tolerance) << difference.name;
  }
}

// With the kernels that train, which are other ones on another machine.
TEST_P(TransformerModelsGolden, MatchPyTorchInFloat32) {
  for (const Excess& excess : ExcessesInFloat32(FileOf(GetParam())))
    ADD_FAILURE() << excess.name << " differs by " << excess.value << ", more than " << excess.bound;
}

INSTANTIATE_TEST_SUITE_P(Files, TransformerModelsGolden,
                         ::testing::Values(Case{"vit_micro", 42}, Case{"eva02_micro", 54},
                                           Case{"segmenter_micro", 57, 10}, Case{"setr_micro", 142},
                                           Case{"setr_fudan_micro", 122}, Case{"segformer_micro", 155},
                                           Case{"segformer_nvidia_micro", 155}, Case{"segformer_mmseg_micro", 171}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace golden
