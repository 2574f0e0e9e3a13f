// SegFormer on the emulated CUDA device beside the CPU: the whole path stays on the device and comes to the same
// numbers, and files whose tensors are joined come and go.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "autograd/ops/cast.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"
#include "nn/module.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/segformer.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Stream;

const RandomKey kKey(62);

SegFormerConfig Small(const char* size) {
  SegFormerConfig config = *ConfigureSegFormer(size, 3);
  config.encoder.dims = {4, 8, 10, 16};
  config.encoder.drop_path = 0.3;
  config.head.width = 8;
  return config;
}

Array Images(int64_t height, int64_t width) {
  return autograd::testing::RandomArray({2, height, width, 3}, autograd::kFloat32, kKey);
}

// Loss, logits and all gradients, on the host, in float64.
std::vector<Array> Results(Stream& stream, const char* size) {
  SegFormerConfig config = Small(size);
  config.compute = autograd::kFloat64;
  autograd::StreamScope scope(stream);
  SegFormer model(config, kKey);
  for (const nn::NamedParameter& named : nn::NamedParameters(model))
    named.parameter->Set(autograd::Cast(Variable(named.parameter->value()), config.compute).array());
  for (const nn::NamedBuffer& named : nn::NamedBuffers(model)) {
    if (autograd::IsFloating(named.array->dtype()))
      *named.array = autograd::Cast(Variable(*named.array), config.compute).array();
  }
  const Array labels = Array::Full({2, 33, 41}, autograd::kUInt8, 1);
  autograd::Tape tape;
  const Variable logits = model(Images(33, 41), nn::Context::Training(kKey));
  const Variable loss = SegmentationLoss(logits, labels);
  tape.Backward(loss);
  std::vector<Array> results = {loss.array().To(Stream::Cpu()), logits.array().To(Stream::Cpu())};
  for (const nn::NamedParameter& named : nn::NamedParameters(model))
    results.push_back(named.parameter->gradient().To(Stream::Cpu()));
  return results;
}

// They are apart by the rounding of the logits and the loss, which are float32, with some thirty operations on them.
// Where a gradient's terms cancel its rounding is theirs: of the size of the other gradients. In float32 a ReLU may
// flip.
TEST(SegFormerOnTheEmulatedDevice, AgreesWithTheCpu) {
  const std::unique_ptr<Stream> device = cuda_emulator::OpenEmulatedStream();
  constexpr double kRounding = 2 * 30 * autograd::testing::UnitRoundoff(autograd::kFloat32);
  for (const char* size : {"micro", "micro_mmseg"}) {
    const std::vector<Array> measured = Results(*device, size), expected = Results(Stream::Cpu(), size);
    ASSERT_EQ(measured.size(), expected.size());
    double largest = 0;
    for (size_t i = 2; i < expected.size(); ++i) {
      for (double value : expected[i].ToVector<double>()) largest = std::max(largest, std::abs(value));
    }
    for (size_t i = 0; i < measured.size(); ++i) {
      EXPECT_TRUE(autograd::testing::AllClose(measured[i], expected[i], kRounding, kRounding * largest))
          << size << " " << i;
    }
  }
}

TEST(SegFormerOnTheEmulatedDevice, FilesComeAndGo) {
  const std::unique_ptr<Stream> device = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*device);
  const std::string path = ::testing::TempDir() + "/device.safetensors";
  for (const MiTPackage package : {MiTPackage::kNvidia, MiTPackage::kMmseg}) {
    const SegFormerConfig config = Small(package == MiTPackage::kNvidia ? "micro_nvidia" : "micro_mmseg");
    SegFormer network(config, kKey), other(config, RandomKey(9));
    ASSERT_TRUE(SaveSegFormer(path, network, package).ok());
    const absl::StatusOr<nn::LoadReport> report = LoadSegFormer(path, other);
    ASSERT_TRUE(report.ok()) << report.status();
    const Array images = Images(32, 32);
    EXPECT_EQ(other(images, {}).array().ToVector<float>(), network(images, {}).array().ToVector<float>());
  }
}

}  // namespace
}  // namespace seg
