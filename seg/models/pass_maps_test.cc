#include <gtest/gtest.h>

#include <vector>

#include "autograd/core/tape.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"
#include "seg/models/deeplabv3.h"
#include "seg/models/fcn.h"
#include "seg/models/latent.h"
#include "seg/models/pspnet.h"

namespace seg {
namespace {

const RandomKey kKey(5);

Variable Images() { return Variable(autograd::testing::RandomArray({2, 32, 48, 3}, autograd::kFloat32, kKey, -2, 2)); }
std::vector<float> Values(const Variable& x) { return x.array().ToVector<float>(); }

template <typename Network>
void ExpectMapsOfThePass(Network& network, Network& twin) {
  PassMaps maps;
  network.Observe(&maps);
  const nn::Context context;  // without dropout the classifier reads the embedding itself
  const Features features = network.Encode(Images(), context);
  const Variable logits = network.Decode(features, context);
  ASSERT_EQ(maps.stages.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(Values(autograd::Relu(maps.stages[i])), Values(features[i])) << i;
    EXPECT_NE(Values(maps.stages[i]), Values(features[i])) << i;
  }
  EXPECT_EQ(Values(network.classifier.classifier(maps.embedding)), Values(logits));
  EXPECT_EQ(Values(twin.Decode(twin.Encode(Images(), context), context)), Values(logits));

  network.Observe(nullptr);
  maps = {};
  network(Images(), context);
  EXPECT_TRUE(maps.stages.empty());
  EXPECT_FALSE(maps.embedding.defined());
}

TEST(PassMaps, AreWhatTheLastActivationsAndTheClassifierRead) {
  Fcn fcn(*ConfigureFcn("micro", 3), kKey), fcn_twin(*ConfigureFcn("micro", 3), kKey);
  ExpectMapsOfThePass(fcn, fcn_twin);
  DeepLabV3 deeplab(*ConfigureDeepLabV3("micro", 3), kKey), deeplab_twin(*ConfigureDeepLabV3("micro", 3), kKey);
  ExpectMapsOfThePass(deeplab, deeplab_twin);
  PspNet pspnet(*ConfigurePspNet("micro", 3), kKey), pspnet_twin(*ConfigurePspNet("micro", 3), kKey);
  ExpectMapsOfThePass(pspnet, pspnet_twin);
}

// A loss on the maps has the gradient that the same network gives without checkpointed blocks.
TEST(PassMaps, GradientsFlowThroughThemWithCheckpointedBlocks) {
  FcnConfig config = *ConfigureFcn("micro", 3);
  Fcn whole(config, kKey);
  config.encoder.checkpoint_blocks = true;
  Fcn checkpointed(config, kKey);
  const auto gradient = [](Fcn& network) {
    PassMaps maps;
    network.Observe(&maps);
    autograd::Tape tape;
    network.Encode(Images(), nn::Context::Training(kKey));
    Variable sum = autograd::Mean(autograd::Square(maps.stages[0]));
    for (size_t i = 1; i < 4; ++i) sum = sum + autograd::Mean(autograd::Square(maps.stages[i]));
    tape.Backward(sum);
    network.Observe(nullptr);
    return network.backbone.stem_convolutions[0].weight.gradient().ToVector<float>();
  };
  EXPECT_EQ(gradient(whole), gradient(checkpointed));
}

TEST(PassMaps, ALatentNetworkGivesItsBases) {
  LatentConfig latent;
  Latent<Fcn> network({*ConfigureFcn("micro", 3), latent}, kKey);
  PassMaps maps;
  network.Observe(&maps);
  const Variable logits = network(Images(), nn::Context());
  ASSERT_EQ(maps.stages.size(), 4U);
  EXPECT_EQ(Values(network.base.classifier.classifier(maps.embedding)), Values(logits));
}

}  // namespace
}  // namespace seg
