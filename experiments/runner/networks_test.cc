#include "experiments/runner/networks.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "autograd/autograd.h"
#include "nn/nn.h"

namespace experiments {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;

// The smallest of every family, by all the names that it may have.
std::vector<std::string> MicroNetworks() {
  std::vector<std::string> names{"micro", "segmenter_eva02_micro"};
  for (const std::string& family : NetworkFamilies()) names.push_back(family + "micro");
  return names;
}

Variable Images(int64_t count, int64_t height, int64_t width) {
  return Variable(Array::Full({count, height, width, 3}, autograd::kFloat32, 0.5));
}

// Every family gives logits for images of its size multiple, trains, and has the layer that it calls its last.
TEST(NetworkTest, EveryFamilyMakesANetworkThatTrains) {
  for (const std::string& name : MicroNetworks()) {
    SCOPED_TRACE(name);
    const auto made = MakeNetwork(name, 5, RandomKey(1));
    ASSERT_TRUE(made.ok()) << made.status().message();
    Network& network = **made;
    EXPECT_EQ(network.classes(), 5);
    const int size = 2 * network.size_multiple();
    autograd::Tape tape;
    const Variable logits = network.Logits(Images(2, size, size), nn::Context::Training(RandomKey(2)));
    ASSERT_EQ(logits.rank(), 4);
    EXPECT_EQ(logits.shape()[3], 5);
    EXPECT_EQ(size % logits.shape()[1], 0);
    tape.Backward(autograd::Mean(logits));
    // CiSS-Net's encoder is a constant, and no gradient of a label passes a decision of its context net.
    const auto constant = [](const std::string& parameter) {
      return parameter.starts_with("backbone.") || parameter.starts_with("context.");
    };
    const bool ciss = absl::StartsWith(name, "ciss_");
    nn::GroupOptions groups;
    groups.rate_factors.push_back({network.last_layer(), 4});
    int last = 0;
    for (const nn::OptimizedParameter& parameter : nn::GroupParameters(network.module(), groups)) {
      EXPECT_EQ(parameter.parameter->has_gradient(), !(ciss && constant(parameter.name))) << parameter.name;
      if (parameter.rate_factor == 4) ++last;
    }
    EXPECT_GE(last, 1);
  }
}

TEST(NetworkTest, TheLatentTapIsReplacedBetweenTheHalves) {
  for (const std::string& name : MicroNetworks()) {
    SCOPED_TRACE(name);
    const auto network = MakeNetwork(name, 5, RandomKey(1));
    const Variable images = Images(2, 64, 64);
    seg::Features features = (*network)->Encode(images, {});
    ASSERT_LT((*network)->latent_tap(), features.size());
    const std::vector<float> logits = (*network)->Decode(features, {}).array().ToVector<float>();
    EXPECT_EQ(logits, (*network)->Logits(images, {}).array().ToVector<float>());
    Variable& z = features[(*network)->latent_tap()];
    EXPECT_EQ(z.shape()[1], 64 / (*network)->size_multiple());
    z = Variable(autograd::ZerosLike(z.array()));
    EXPECT_NE(logits, (*network)->Decode(features, {}).array().ToVector<float>());
  }
}

// Around every family: it trains in both halves, decodes what a policy modulated, and its twin fits.
TEST(NetworkTest, ALatentPolicyGoesAroundEveryFamily) {
  for (const std::string& name : MicroNetworks()) {
    SCOPED_TRACE(name);
    const auto plain = MakeNetwork(name, 5, RandomKey(1));
    EXPECT_EQ((*plain)->latent(), nullptr);
    const auto made = MakeNetwork(name, 5, RandomKey(1), {.latent = seg::LatentConfig()});
    ASSERT_TRUE(made.ok()) << made.status().message();
    Network& network = **made;
    EXPECT_TRUE(absl::StrContains(network.description(), (*plain)->description() + ", latent policy with attention"));
    seg::LatentHead* head = network.latent();
    ASSERT_NE(head, nullptr);
    ASSERT_EQ(head->tap, network.latent_tap());
    const nn::Context context = nn::Context::Training(RandomKey(2));
    autograd::Tape tape;
    const seg::Features features = network.Encode(Images(2, 64, 64), context);
    const Variable& z = features[head->tap];
    ASSERT_EQ(z.shape()[3], head->channels);
    const seg::LatentDistribution pi = head->policy(z, context);
    const Variable logits = network.Decode(head->Modulated(features, pi.mean, context), context);
    EXPECT_EQ(logits.shape(), (*plain)->Logits(Images(2, 64, 64), context).shape());
    tape.Backward(autograd::Mean(logits * logits));
    for (const nn::NamedParameter& named : nn::NamedParameters(network.module())) {
      // μ is all that was drawn, and the key's bias moves every score of a query alike.
      if (!absl::StartsWith(named.name, "latent_") || absl::StartsWith(named.name, "latent_policy.log_deviation"))
        continue;
      EXPECT_TRUE(named.parameter->has_gradient()) << named.name;
    }
    nn::CopyState(network.module(), network.Twin()->module());
  }
  seg::LatentConfig uneven;
  uneven.modulation.heads = 7;
  EXPECT_FALSE(MakeNetwork("fcn_micro", 5, RandomKey(1), {.latent = uneven}).ok());
}

TEST(NetworkTest, AuxiliaryHeadsAreMadeWhereAskedFor) {
  std::set<std::string> with_head;
  std::vector<std::string> refusals;
  for (const std::string& family : NetworkFamilies()) {
    const std::string name = family + "micro";
    SCOPED_TRACE(name);
    const Variable images = Images(2, 64, 64);
    const auto without = MakeNetwork(name, 5, RandomKey(1));
    EXPECT_TRUE((*without)->Auxiliary((*without)->Encode(images, {}), {}).empty());

    const auto with = MakeNetwork(name, 5, RandomKey(1), {.auxiliary_head = true});
    if (!with.ok()) {
      EXPECT_EQ(with.status().code(), absl::StatusCode::kInvalidArgument);
      refusals.emplace_back(with.status().message());
      continue;
    }
    with_head.insert(family);
    EXPECT_NE((*with)->description(), (*without)->description());
    autograd::Tape tape;
    const nn::Context context = nn::Context::Training(RandomKey(2));
    const seg::Features features = (*with)->Encode(images, context);
    const std::vector<Variable> auxiliary = (*with)->Auxiliary(features, context);
    const Variable logits = (*with)->Decode(features, context);
    ASSERT_FALSE(auxiliary.empty());
    Variable sum;
    for (const Variable& other : auxiliary) {
      EXPECT_EQ(other.shape(), logits.shape());  // the taps are at one stride
      sum = sum.defined() ? sum + other : other;
    }
    tape.Backward(autograd::Mean(sum));
    int head = 0, main = 0;
    for (const nn::NamedParameter& named : nn::NamedParameters((*with)->module())) {
      const bool has = named.parameter->has_gradient();
      if (named.name.starts_with("aux")) {
        EXPECT_TRUE(has) << named.name;
        ++head;
      } else if (named.name.starts_with("classifier.") || named.name.starts_with("decode_head.")) {
        EXPECT_FALSE(has) << named.name;
        ++main;
      }
    }
    EXPECT_GT(head, 0);
    EXPECT_GT(main, 0);
    EXPECT_EQ(nn::NamedParameters((*with)->module()).size(), nn::NamedParameters((*without)->module()).size() + head);
  }
  EXPECT_EQ(with_head, (std::set<std::string>{"deeplabv3_", "fcn_", "pspnet_", "setr_"}));
  EXPECT_FALSE(refusals.empty());
  for (const std::string& refusal : refusals)
    EXPECT_TRUE(absl::EndsWith(refusal, "; deeplabv3_…, fcn_…, pspnet_… and setr_… have one")) << refusal;
}

TEST(NetworkTest, CheckpointedBlocksKeepLessForTheSameLogits) {
  for (const std::string& name : MicroNetworks()) {
    if (absl::StartsWith(name, "ciss_")) continue;  // its encoder is a constant, of which nothing is kept
    SCOPED_TRACE(name);
    std::vector<float> logits[2];
    int64_t kept[2];
    for (const bool checkpoint : {false, true}) {
      const auto network = MakeNetwork(name, 5, RandomKey(1), {.checkpoint_blocks = checkpoint});
      autograd::Tape tape;
      const Variable result = (*network)->Logits(Images(2, 64, 64), nn::Context::Training(RandomKey(2)));
      logits[checkpoint] = result.array().ToVector<float>();
      kept[checkpoint] = tape.SavedBytes();
      tape.Backward(autograd::Mean(result));
      for (const nn::NamedParameter& named : nn::NamedParameters((*network)->module()))
        EXPECT_TRUE(named.parameter->has_gradient()) << named.name;
    }
    EXPECT_EQ(logits[0], logits[1]);
    EXPECT_LT(kept[1], kept[0]);
  }
}

// A twin has the same names and shapes, the options among them, and shares no value: training one leaves the other.
TEST(NetworkTest, TwinsHaveTheSameShapeAndTheirOwnValues) {
  for (const std::string& name : MicroNetworks()) {
    SCOPED_TRACE(name);
    const bool heads = absl::StartsWith(name, "deeplabv3_");
    const auto network = MakeNetwork(name, 5, RandomKey(1), {.auxiliary_head = heads});
    const std::unique_ptr<Network> twin = (*network)->Twin();
    EXPECT_EQ(twin->description(), (*network)->description());
    const std::vector<nn::NamedParameter> ours = nn::NamedParameters((*network)->module()),
                                          theirs = nn::NamedParameters(twin->module());
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      EXPECT_EQ(ours[i].name, theirs[i].name);
      EXPECT_EQ(ours[i].parameter->shape(), theirs[i].parameter->shape());
      const std::vector<float> before = ours[i].parameter->value().ToVector<float>();
      theirs[i].parameter->mutable_value().CopyFrom(
          Array::Full(theirs[i].parameter->shape(), autograd::kFloat32, 0.25));
      EXPECT_EQ(ours[i].parameter->value().ToVector<float>(), before) << ours[i].name;
    }
    EXPECT_EQ(nn::NamedBuffers((*network)->module()).size(), nn::NamedBuffers(twin->module()).size());
  }
}

TEST(NetworkTest, UnknownNamesSayWhatThereIs) {
  for (const char* name : {"unet", "sfpnext_huge", "deeplabv3_micro2", "segmenter_"}) {
    const auto network = MakeNetwork(name, 5, RandomKey(1));
    EXPECT_EQ(network.status().code(), absl::StatusCode::kInvalidArgument) << name;
    for (const std::string& family : NetworkFamilies())
      EXPECT_TRUE(absl::StrContains(network.status().message(), family + "…")) << network.status().message();
    EXPECT_TRUE(absl::EndsWith(network.status().message(), " with its encoder")) << network.status().message();
  }
  EXPECT_EQ(DescribeNetwork("deeplabv3_resnet101"), "DeepLabv3, resnet101");
  EXPECT_EQ(DescribeNetwork("nano"), "SFPNeXt, ConvNeXt-V2 nano");
}

std::string Refusal(const std::string& name, int64_t batch, int64_t height, int64_t width, int64_t ranks = 1) {
  return std::string((*MakeNetwork(name, 5, RandomKey(1)))->CheckTrainingShape(batch, height, width, ranks).message());
}

TEST(NetworkTest, BatchesThatBatchNormsCannotTakeAreRefusedWithWhatWouldDo) {
  EXPECT_EQ(Refusal("deeplabv3_micro", 1, 64, 96),
            "--batch_size=1 leaves one value a channel to the batch norm of the image pooling (DeepLabv3, micro, 5 "
            "classes, crops of 96×64); --batch_size=2 would do");
  EXPECT_EQ(Refusal("deeplabv3_micro", 2, 64, 96), "");
  EXPECT_EQ(Refusal("pspnet_micro", 1, 96, 96),
            "--batch_size=1 leaves one value a channel to the batch norm of the pyramid pooling's 1×1 bin (PSPNet, "
            "micro, 5 classes, crops of 96×96); --batch_size=2 would do");
  EXPECT_EQ(Refusal("pspnet_micro", 2, 8, 8), "");
  EXPECT_EQ(Refusal("sfpnext_micro", 1, 32, 32),
            "--batch_size=1 leaves one value a channel to the batch norm of the top of the feature pyramid (SFPNeXt, "
            "ConvNeXt-V2 micro, 5 classes, crops of 32×32); --batch_size=2 or --crop=64 would do");
  EXPECT_EQ(Refusal("sfpnext_micro", 2, 32, 32), "");
  EXPECT_EQ(Refusal("sfpnext_micro", 1, 32, 64), "");
  EXPECT_EQ(Refusal("sfpnext_micro", 4, 31, 64),
            "--crop leaves no pixel to the batch norm of the top of the feature pyramid (SFPNeXt, ConvNeXt-V2 micro, 5 "
            "classes, crops of 64×31); --crop=32 would do");
  EXPECT_TRUE(absl::EndsWith(Refusal("sfpnext_micro", 1, 31, 64), "; --crop=64 would do"));
  EXPECT_TRUE(absl::EndsWith(Refusal("fcn_micro", 1, 8, 8), "; --batch_size=2 or --crop=16 would do"));
  EXPECT_EQ(Refusal("segmenter_micro", 1, 8, 8), "");
  // The batch norms of ranks are synchronised, so that their images count together.
  EXPECT_EQ(Refusal("deeplabv3_micro", 1, 64, 64, 2), "");
  EXPECT_TRUE(absl::EndsWith(Refusal("sfpnext_micro", 1, 31, 64, 2), "; --crop=32 would do"));
}

// What the query says comes true in a training pass, as does what it says would do.
TEST(NetworkTest, RefusalsCoincideWithErrorsOfTraining) {
  for (const std::string& name : MicroNetworks()) {
    const auto network = MakeNetwork(name, 5, RandomKey(1));
    for (const int64_t size : {31, 32, 33, 63, 64}) {
      for (const int64_t batch : {1, 2}) {
        SCOPED_TRACE(absl::StrCat(name, ", ", batch, " of ", size));
        const auto train = [&] { (*network)->Logits(Images(batch, size, size), nn::Context::Training(RandomKey(2))); };
        if ((*network)->CheckTrainingShape(batch, size, size).ok()) {
          EXPECT_NO_THROW(train());
        } else {
          EXPECT_THROW(train(), autograd::Error);
        }
      }
    }
  }
}

}  // namespace
}  // namespace experiments
