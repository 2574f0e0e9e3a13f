// SFPNeXt against the same network in PyTorch: evaluation, training, every gradient, running statistics (sfpnext.py).

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "autograd/testing/op_contract.h"
#include "nn/checkpoints/weights.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/sfpnext.h"
#include "tests/golden/golden_file.h"

namespace golden {
namespace {

using autograd::Variable;
using autograd::testing::AllClose;

constexpr double kTolerance = 1e-4;

seg::SFPNeXtConfig Config() {
  seg::SFPNeXtConfig config;
  config.classes = 5;
  config.encoder = {.depths = {1, 1, 1, 1}, .dims = {6, 8, 10, 12}, .drop_path = 0};
  config.decoder.width = 16;
  config.decoder.pyramid_width = 8;
  config.decoder.attention_options.key_width = 4;
  return config;
}

// Names that begin with `prefix` and then with a part of the network, without it.
nn::Rename Only(const std::string& prefix) {
  return [prefix](const std::string& name) -> std::string {
    if (!absl::StartsWith(name, prefix)) return "";
    const std::string rest = name.substr(prefix.size());
    return absl::StartsWith(rest, "encoder.") || absl::StartsWith(rest, "decoder.") ? rest : "";
  };
}

TEST(SFPNeXtGolden, MatchesPyTorch) {
  const File file("sfpnext_micro.safetensors");
  seg::SFPNeXt model(Config(), autograd::RandomKey(1)), gradients(Config(), autograd::RandomKey(2)),
      updated(Config(), autograd::RandomKey(3));
  absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(file.path(), model, {.rename = Only("")});
  ASSERT_TRUE(report.ok()) << report.status();
  report = nn::LoadWeights(file.path(), gradients, {.strict = false, .rename = Only("gradient.")});
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->loaded.size(), nn::NamedParameters(model).size());
  report = nn::LoadWeights(file.path(), updated, {.strict = false, .rename = Only("updated.")});
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->loaded.size(), nn::NamedBuffers(model).size());

  const autograd::Array input = file.Read("input"), label = file.Read("label");
  seg::SemanticFpnTrace trace;
  const Variable evaluated = model(input, {}, &trace);
  EXPECT_TRUE(AllClose(trace.top.array(), file.Read("evaluation.top"), kTolerance));
  EXPECT_TRUE(AllClose(trace.attention.array(), file.Read("evaluation.attention"), kTolerance));
  EXPECT_TRUE(AllClose(trace.pyramid2.array(), file.Read("evaluation.pyramid2"), kTolerance));
  EXPECT_TRUE(AllClose(trace.fused.array(), file.Read("evaluation.fused"), kTolerance));
  EXPECT_TRUE(AllClose(evaluated.array(), file.Read("evaluation.logits"), kTolerance));
  EXPECT_NEAR(seg::SegmentationLoss(evaluated, label).Item(), file.Number("evaluation.loss"), kTolerance);

  autograd::Tape tape;
  const Variable logits = model(input, nn::Context::Training(autograd::RandomKey(4)));
  EXPECT_TRUE(AllClose(logits.array(), file.Read("train.logits"), kTolerance));
  const Variable loss = seg::SegmentationLoss(logits, label);
  EXPECT_NEAR(loss.Item(), file.Number("train.loss"), kTolerance);
  tape.Backward(loss);
  const std::vector<nn::NamedParameter> actual = nn::NamedParameters(model), expected = nn::NamedParameters(gradients);
  for (size_t i = 0; i < actual.size(); ++i) {
    // The absolute part is for the key's bias, whose gradient is 0: softmax does not see it.
    EXPECT_TRUE(AllClose(actual[i].parameter->gradient(), expected[i].parameter->value(), kTolerance, 1e-6))
        << actual[i].name;
  }
  const std::vector<nn::NamedBuffer> buffers = nn::NamedBuffers(model), after = nn::NamedBuffers(updated);
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].array->dtype() == autograd::kInt64) {
      EXPECT_EQ(buffers[i].array->Item(), after[i].array->Item()) << buffers[i].name;
    } else {
      EXPECT_TRUE(AllClose(*buffers[i].array, *after[i].array, kTolerance)) << buffers[i].name;
    }
  }
}

}  // namespace
}  // namespace golden
