// Segmenter on the emulated CUDA device beside the CPU: the whole path, with padded images, resized positions and
// rotation, stays on the device and comes to the same numbers.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "autograd/ops/cast.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"
#include "nn/module.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/segmenter.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Stream;

const RandomKey kKey(61);

// Loss, logits and all gradients, on the host. In float64 all but the masks, which are float32 in any case.
std::vector<Array> Results(Stream& stream, const std::string& encoder, autograd::DType compute) {
  SegmenterConfig config = *ConfigureSegmenter(encoder, 3);
  std::visit(
      [](auto& given) {
        given.width = 16;
        given.depth = 2;
        given.drop_path = 0.3;
      },
      config.encoder);
  config.mask_transformer.depth = 1;
  config.mask_transformer.dropout = 0.1;
  config.compute = compute;
  std::vector<Array> results;
  {
    autograd::StreamScope scope(stream);
    Segmenter model(config, kKey);
    for (const nn::NamedParameter& named : nn::NamedParameters(model)) {
      if (absl::StartsWith(named.name, model.last_layer())) continue;
      named.parameter->Set(autograd::Cast(Variable(named.parameter->value()), compute).array());
    }
    const Array images = autograd::testing::RandomArray({2, 24, 17, 3}, autograd::kFloat32, kKey);
    const Array labels = Array::Full({2, 24, 17}, autograd::kUInt8, 1);
    autograd::Tape tape;
    const Variable logits = model(images, nn::Context::Training(kKey));
    const Variable loss = SegmentationLoss(ResizeLogits(logits, model.size_multiple(), 24, 17), labels);
    tape.Backward(loss);
    results = {loss.array().To(Stream::Cpu()), logits.array().To(Stream::Cpu())};
    for (const nn::NamedParameter& named : nn::NamedParameters(model))
      results.push_back(named.parameter->gradient().To(Stream::Cpu()));
  }
  return results;
}

// No gradient jumps in these networks, so in float32 they are apart by the rounding of sums of up to 2·24·24 terms, and
// in float64 by that of the masks' some thirty operations. Where a gradient's terms cancel its rounding is theirs: of
// the size of the other gradients.
TEST(SegmenterOnTheEmulatedDevice, AgreesWithTheCpu) {
  const std::unique_ptr<Stream> device = cuda_emulator::OpenEmulatedStream();
  for (const char* encoder : {"micro", "eva02_micro"}) {
    for (const auto& [compute, rounding] :
         {std::pair(autograd::kFloat32, 2 * autograd::testing::RoundingOfSum(autograd::kFloat32, 2 * 24 * 24)),
          std::pair(autograd::kFloat64, 2 * 30 * autograd::testing::UnitRoundoff(autograd::kFloat32))}) {
      const std::vector<Array> measured = Results(*device, encoder, compute),
                               expected = Results(Stream::Cpu(), encoder, compute);
      ASSERT_EQ(measured.size(), expected.size());
      double largest = 0;
      for (size_t i = 2; i < expected.size(); ++i) {
        const Array wide = autograd::Cast(Variable(expected[i]), autograd::kFloat64).array();
        for (double value : wide.ToVector<double>()) largest = std::max(largest, std::abs(value));
      }
      for (size_t i = 0; i < measured.size(); ++i) {
        EXPECT_TRUE(autograd::testing::AllClose(measured[i], expected[i], rounding, rounding * largest))
            << encoder << " " << i << " in " << autograd::Name(compute);
      }
    }
  }
}

}  // namespace
}  // namespace seg
