#include "experiments/continual/growth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "autograd/autograd.h"
#include "experiments/runner/networks.h"
#include "nn/nn.h"

namespace experiments::continual {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;

std::unique_ptr<Network> Make(const std::string& name, int classes, uint64_t key) {
  return *MakeNetwork(name, classes, RandomKey(key));
}

Array Images() {
  std::vector<float> pixels(2 * 32 * 32 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)));
  return Array::From({2, 32, 32, 3}, pixels);
}

std::vector<float> Probabilities(Network& network) {
  return autograd::Softmax(network.Logits(Variable(Images()), {})).array().ToVector<float>();
}

// Old classes keep their probabilities, and the background's is split evenly among it and the new classes.
TEST(GrowFrom, KeepsWhatTheOldNetworkSays) {
  for (const std::string name : {"deeplabv3_micro", "fcn_micro", "segformer_micro", "sfpnext_micro"}) {
    const std::unique_ptr<Network> old = Make(name, 3, 1), grown = Make(name, 5, 2);
    ASSERT_TRUE(GrowFrom(*old, *grown).ok()) << name;
    const std::vector<float> before = Probabilities(*old), after = Probabilities(*grown);
    ASSERT_EQ(before.size() / 3, after.size() / 5);
    for (size_t i = 0; i < before.size() / 3; ++i) {
      for (const size_t k : {0, 3, 4}) EXPECT_NEAR(after[5 * i + k], before[3 * i] / 3, 1e-5) << name;
      for (const size_t k : {1, 2}) EXPECT_NEAR(after[5 * i + k], before[3 * i + k], 1e-5) << name;
    }
  }
}

TEST(GrowFrom, OtherNetworksAreRefused) {
  const std::unique_ptr<Network> old = Make("fcn_micro", 3, 1), other = Make("deeplabv3_micro", 5, 2);
  const absl::Status status = GrowFrom(*old, *other);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("cannot grow out of"), std::string::npos) << status;
}

}  // namespace
}  // namespace experiments::continual
