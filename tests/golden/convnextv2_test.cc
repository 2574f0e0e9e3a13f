// ConvNeXt V2 against timm: stages, loss and every gradient (convnextv2.py).

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "absl/strings/match.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"
#include "nn/checkpoints/weights.h"
#include "seg/encoders/convnext_v2.h"
#include "tests/golden/golden_file.h"

namespace golden {
namespace {

using autograd::Variable;
using autograd::testing::AllClose;

constexpr double kTolerance = 1e-4;

struct Case {
  const char* file;
  nn::Layout mlp_layout;
};

class ConvNeXtV2Golden : public ::testing::TestWithParam<Case> {};

TEST_P(ConvNeXtV2Golden, MatchesTimm) {
  const File file(GetParam().file);
  seg::ConvNeXtV2Config config{
      .depths = {1, 1, 2, 1}, .dims = {8, 12, 16, 24}, .drop_path = 0, .mlp_layout = GetParam().mlp_layout};
  seg::ConvNeXtV2 encoder(config, autograd::RandomKey(1)), gradients(config, autograd::RandomKey(2));
  const auto weights_only = [](const std::string& name) {
    return absl::StartsWith(name, "stem.") || absl::StartsWith(name, "stages.") ? name : "";
  };
  const auto gradients_only = [](const std::string& name) {
    return absl::StartsWith(name, "gradient.s") ? name.substr(9) : "";
  };
  absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(file.path(), encoder, {.rename = weights_only});
  ASSERT_TRUE(report.ok()) << report.status();
  report = nn::LoadWeights(file.path(), gradients, {.rename = gradients_only});
  ASSERT_TRUE(report.ok()) << report.status();

  autograd::Tape tape;
  const Variable input = tape.Watch(file.Read("input"));
  const std::array<Variable, 4> stages = encoder(input, {});
  Variable loss;
  for (int s = 0; s < 4; ++s) {
    EXPECT_TRUE(AllClose(stages[s].array(), file.Read("stage" + std::to_string(s)), kTolerance)) << "stage " << s;
    const Variable part = 0.5 * autograd::Mean(autograd::Square(stages[s]));
    loss = loss.defined() ? loss + part : part;
  }
  EXPECT_NEAR(loss.Item(), file.Number("loss"), kTolerance * file.Number("loss"));
  tape.Backward(loss);
  EXPECT_TRUE(AllClose(tape.Gradient(input), file.Read("gradient.input"), kTolerance));
  const std::vector<nn::NamedParameter> actual = nn::NamedParameters(encoder),
                                        expected = nn::NamedParameters(gradients);
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_TRUE(AllClose(actual[i].parameter->gradient(), expected[i].parameter->value(), kTolerance))
        << actual[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, ConvNeXtV2Golden,
                         ::testing::Values(Case{"convnextv2_micro.safetensors", nn::Layout::kPointwiseConv2d},
                                           Case{"convnextv2_micro_odd.safetensors", nn::Layout::kLinear}),
                         [](const auto& info) { return info.index == 0 ? "even" : "odd"; });

}  // namespace
}  // namespace golden
