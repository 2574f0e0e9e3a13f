// How a network's file says that it chooses context. What files say of other networks: tests/end_to_end.

#include "experiments/runner/saved_network.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/scenes/scene_dataset.h"
#include "experiments/runner/networks.h"
#include "nn/nn.h"

namespace experiments {
namespace {

NetworkDescription DescriptionOf(const std::string& model) {
  NetworkDescription description;
  description.model = model;
  description.info = (*data::SceneDataset::Create("val", {}))->info();
  return description;
}

std::unique_ptr<Network> Make(const NetworkDescription& description) {
  return *MakeNetwork(description.model, description.info.num_classes(), autograd::RandomKey(1));
}

std::string Path(const std::string& name) { return absl::StrCat(::testing::TempDir(), "/", name, ".safetensors"); }

void ExpectSame(const seg::ContextInference& actual, const seg::ContextInference& expected) {
  EXPECT_EQ(actual.steps, expected.steps);
  EXPECT_EQ(actual.choice.rule, expected.choice.rule);
  EXPECT_EQ(actual.choice.sample, expected.choice.sample);
  EXPECT_EQ(actual.choice.share, expected.choice.share);
  EXPECT_EQ(actual.choice.confidence, expected.choice.confidence);
}

TEST(SavedNetwork, KeepsHowItChoosesContext) {
  NetworkDescription description = DescriptionOf("ciss_micro");
  description.context = seg::ContextInference{
      .steps = 5, .choice = {.rule = seg::ContextRule::kConfident, .sample = true, .share = 0.125, .confidence = 0.7}};
  const std::unique_ptr<Network> network = Make(description);
  ASSERT_TRUE(SaveNetwork(Path("kept"), *network, description).ok());

  const auto read = ReadDescription(Path("kept"));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(read->context.has_value());
  ExpectSame(*read->context, *description.context);

  const auto loaded = LoadNetwork(Path("kept"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_NE(loaded->network->context_inference(), nullptr);
  ExpectSame(*loaded->network->context_inference(), *description.context);
  ExpectSame(*loaded->description.context, *description.context);
}

TEST(SavedNetwork, KeepsWhatAMirrorMakesOfTheClasses) {
  NetworkDescription description = DescriptionOf("micro");
  EXPECT_FALSE(ToMetadata(description).contains("mirrored_classes"));
  description.info.mirrored_classes = {0, 1, 3, 2, 4, 5};
  const std::unique_ptr<Network> network = Make(description);
  ASSERT_TRUE(SaveNetwork(Path("mirrored"), *network, description).ok());
  const auto read = ReadDescription(Path("mirrored"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->info.mirrored_classes, description.info.mirrored_classes);
  EXPECT_EQ(read->inference.mirrored_classes, description.info.mirrored_classes);
  description.info.mirrored_classes[5] = 6;
  ASSERT_TRUE(SaveNetwork(Path("wrong"), *network, description).ok());
  EXPECT_TRUE(absl::StrContains(ReadDescription(Path("wrong")).status().message(), "mirrored_classes"));
}

// A file that says nothing has the network's own default.
TEST(SavedNetwork, ContextMayBeLeftOut) {
  const NetworkDescription description = DescriptionOf("ciss_micro");
  ASSERT_FALSE(ToMetadata(description).contains("context"));
  const std::unique_ptr<Network> network = Make(description);
  ASSERT_TRUE(SaveNetwork(Path("silent"), *network, description).ok());
  EXPECT_FALSE(ReadDescription(Path("silent"))->context.has_value());
  const auto loaded = LoadNetwork(Path("silent"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ExpectSame(*loaded->network->context_inference(), seg::ContextInference());
  ASSERT_TRUE(loaded->description.context.has_value());
  ExpectSame(*loaded->description.context, seg::ContextInference());
}

TEST(SavedNetwork, OtherNetworksHaveNoContext) {
  const NetworkDescription description = DescriptionOf("pspnet_micro");
  const std::unique_ptr<Network> network = Make(description);
  ASSERT_TRUE(SaveNetwork(Path("pspnet"), *network, description).ok());
  const auto loaded = LoadNetwork(Path("pspnet"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->network->context_inference(), nullptr);
  EXPECT_FALSE(loaded->description.context.has_value());
}

TEST(SavedNetwork, KeepsItsLatentPolicy) {
  NetworkDescription description = DescriptionOf("fcn_micro");
  description.latent.emplace();
  description.latent->config.modulation = {.kind = seg::Modulation::kConcatenation, .heads = 4, .initial_scale = 0.5};
  description.latent->config.policy = {
      .blocks = 2, .width = 8, .pool_height = 3, .pool_width = 5, .bounded = false, .map_scale = 0.25};
  description.latent->config.draw = seg::LatentDraw::kChannel;
  description.latent->inference.signal = seg::LatentSignal::kZero;
  const auto network = MakeNetwork(description.model, description.info.num_classes(), autograd::RandomKey(3),
                                   {.latent = description.latent->config});
  ASSERT_TRUE(network.ok()) << network.status();
  ASSERT_TRUE(SaveNetwork(Path("latent"), **network, description).ok());

  const auto loaded = LoadNetwork(Path("latent"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->network->description(), (*network)->description());
  seg::LatentHead* head = loaded->network->latent();
  ASSERT_NE(head, nullptr);
  EXPECT_EQ(head->config.modulation.kind, seg::Modulation::kConcatenation);
  EXPECT_EQ(head->config.policy.pool_width, 5);
  EXPECT_FALSE(head->config.policy.bounded);
  EXPECT_EQ(head->config.draw, seg::LatentDraw::kChannel);
  EXPECT_EQ(head->inference.signal, seg::LatentSignal::kZero);
  const autograd::Variable images(autograd::Array::Full({2, 32, 32, 3}, autograd::kFloat32, 0.5));
  (*network)->latent()->inference = head->inference;
  EXPECT_EQ(loaded->network->Logits(images, {}).array().ToVector<float>(),
            (*network)->Logits(images, {}).array().ToVector<float>());
}

TEST(SavedNetwork, WrongContextNamesFileAndField) {
  NetworkDescription description = DescriptionOf("ciss_micro");
  description.context.emplace();
  const std::unique_ptr<Network> network = Make(description);
  const std::string path = Path("wrong");
  for (const std::string& wrong : std::vector<std::string>{
           "2", "[]", "{", R"({"context":"guess"})", R"({"context_steps":"-1"})", R"({"context_steps":2})",
           R"({"context_steps":"two"})", R"({"share":"1.5"})", R"({"confidence":"-0.1"})", R"({"stride":"2"})"}) {
    SCOPED_TRACE(wrong);
    nn::Metadata metadata = ToMetadata(description);
    metadata["context"] = wrong;
    ASSERT_TRUE(nn::SaveWeights(path, network->module(), metadata).ok());
    for (const absl::Status& refused : {ReadDescription(path).status(), LoadNetwork(path).status()}) {
      EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << refused;
      EXPECT_TRUE(absl::StartsWith(refused.message(), absl::StrCat(path, ": metadata 'context' is '", wrong, "'")))
          << refused;
    }
  }
}

}  // namespace
}  // namespace experiments
