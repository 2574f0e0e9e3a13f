// Segmenter on the emulated CUDA device beside the CPU: the whole path, with padded images, resized positions and rotation, stays on the device
// and comes to the same numbers.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "nn/module.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/segmenter.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Stream;

const RandomKey kKey(61);

// Loss, logits and all gradients, on the host.
std::vector<Array> Results(Stream& stream, const std::string& encoder) {
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
  std::vector<Array> results;
  {
    autograd::StreamScope scope(stream);
    Segmenter model(config, kKey);
    const Array images = autograd::testing::RandomArray({2, 24, 17, 3}, autograd::kFloat32, kKey);
    const Array labels = Array::Full({2, 24, 17}, autograd::kUInt8, 1);
    autograd::Tape tape;
    const Variable logits = model(images, nn::Context::Training(kKey));
    const Variable loss = SegmentationLoss(ResizeLogits(logits, model.patch(), 24, 17), labels);
    tape.Backward(loss);
    results = {loss.array().To(Stream::Cpu()), logits.array().To(Stream::Cpu())};
    for (const nn::NamedParameter& named : nn::NamedParameters(model))
      results.push_back(named.parameter->gradient().To(Stream::Cpu()));
  }
  return results;
}

TEST(SegmenterOnTheEmulatedDevice, AgreesWithTheCpu) {
  const std::unique_ptr<Stream> device = cuda_emulator::OpenEmulatedStream();
  for (const char* encoder : {"micro", "eva02_micro"}) {
    const std::vector<Array> measured = Results(*device, encoder), expected = Results(Stream::Cpu(), encoder);
    ASSERT_EQ(measured.size(), expected.size());
    for (size_t i = 0; i < measured.size(); ++i)
      EXPECT_TRUE(autograd::testing::AllClose(measured[i], expected[i], 1e-3, 1e-6)) << encoder << " " << i;
  }
}

}  // namespace
}  // namespace seg
