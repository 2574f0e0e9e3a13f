#include "experiments/runner/network.h"

#include <gtest/gtest.h>

#include "autograd/autograd.h"
#include "nn/nn.h"

namespace experiments {
namespace {

using autograd::Array;
using autograd::RandomKey;

// Every family gives logits for images of its size multiple, trains, and has the layer that it calls its last.
TEST(NetworkTest, EveryFamilyMakesANetworkThatTrains) {
  for (const char* name : {"micro", "sfpnext_micro", "deeplabv3_micro", "fcn_micro", "semantic_fpn_micro",
                           "segmenter_micro", "segmenter_eva02_micro"}) {
    SCOPED_TRACE(name);
    const auto network = MakeNetwork(name, 5, RandomKey(1));
    ASSERT_TRUE(network.ok()) << network.status().message();
    Segmenter& segmenter = **network;
    EXPECT_EQ(segmenter.classes(), 5);
    const int size = 2 * segmenter.SizeMultiple();
    const autograd::Variable images(Array::Full({2, size, size, 3}, autograd::kFloat32, 0.5));
    autograd::Tape tape;
    const autograd::Variable logits = segmenter.Logits(images, nn::Context::Training(RandomKey(2)));
    ASSERT_EQ(logits.rank(), 4);
    EXPECT_EQ(logits.shape()[3], 5);
    EXPECT_EQ(size % logits.shape()[1], 0);
    tape.Backward(autograd::Mean(logits));
    nn::GroupOptions groups;
    groups.rate_factors.push_back({segmenter.LastLayer(), 4});
    int last = 0;
    for (const nn::OptimizedParameter& parameter : nn::GroupParameters(segmenter.module(), groups)) {
      EXPECT_TRUE(parameter.parameter->has_gradient()) << parameter.name;
      if (parameter.rate_factor == 4) ++last;
    }
    EXPECT_GE(last, 1);
  }
}

TEST(NetworkTest, AuxiliaryHeadsAreMadeWhereAskedFor) {
  for (const char* name : {"deeplabv3_micro", "fcn_micro"}) {
    SCOPED_TRACE(name);
    const autograd::Variable images(Array::Full({2, 32, 32, 3}, autograd::kFloat32, 0.5));
    autograd::Variable none;
    const auto without = MakeNetwork(name, 5, RandomKey(1));
    (*without)->Logits(images, {}, &none);
    EXPECT_FALSE(none.defined());

    const auto with = MakeNetwork(name, 5, RandomKey(1), {.auxiliary_head = true});
    ASSERT_TRUE(with.ok()) << with.status().message();
    EXPECT_NE((*with)->Description(), (*without)->Description());
    autograd::Tape tape;
    autograd::Variable auxiliary;
    const autograd::Variable logits = (*with)->Logits(images, nn::Context::Training(RandomKey(2)), &auxiliary);
    ASSERT_TRUE(auxiliary.defined());
    EXPECT_EQ(auxiliary.shape(), logits.shape());  // both taps are at the output stride
    tape.Backward(autograd::Mean(auxiliary));
    int head = 0, main = 0;
    for (const nn::NamedParameter& named : nn::NamedParameters((*with)->module())) {
      const bool has = named.parameter->has_gradient();
      if (named.name.starts_with("aux_classifier.")) {
        EXPECT_TRUE(has) << named.name;
        ++head;
      } else if (named.name.starts_with("classifier.")) {
        EXPECT_FALSE(has) << named.name;
        ++main;
      }
    }
    EXPECT_GT(head, 0);
    EXPECT_GT(main, 0);
    EXPECT_EQ(nn::NamedParameters((*with)->module()).size(), nn::NamedParameters((*without)->module()).size() + head);
  }
  for (const char* name : {"sfpnext_micro", "semantic_fpn_micro", "segmenter_micro"}) {
    const auto network = MakeNetwork(name, 5, RandomKey(1), {.auxiliary_head = true});
    EXPECT_EQ(network.status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(NetworkTest, UnknownNamesSayWhatThereIs) {
  for (const char* name : {"unet", "sfpnext_huge", "deeplabv3_micro2", "segmenter_"}) {
    const auto network = MakeNetwork(name, 5, RandomKey(1));
    EXPECT_EQ(network.status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(DescribeNetwork("deeplabv3_resnet101"), "DeepLabv3, resnet101");
  EXPECT_EQ(DescribeNetwork("nano"), "SFPNeXt, ConvNeXt-V2 nano");
}

}  // namespace
}  // namespace experiments
