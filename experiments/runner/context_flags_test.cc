#include "experiments/runner/context_flags.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "experiments/settings/arguments.h"

namespace experiments {
namespace {

using seg::ContextInference;
using seg::ContextRule;

constexpr char kNetwork[] = "PSPNet, micro";

// Differs from the defaults in everything.
ContextInference InFile() {
  return {.steps = 3, .choice = {.rule = ContextRule::kRandom, .sample = true, .share = 0.25, .confidence = 0.75}};
}

void ExpectSame(const ContextInference& actual, const ContextInference& expected) {
  EXPECT_EQ(actual.steps, expected.steps);
  EXPECT_EQ(actual.choice.rule, expected.choice.rule);
  EXPECT_EQ(actual.choice.sample, expected.choice.sample);
  EXPECT_EQ(actual.choice.share, expected.choice.share);
  EXPECT_EQ(actual.choice.confidence, expected.choice.confidence);
}

TEST(ContextFlags, NoneLeavesWhatTheFileSays) {
  const auto contexts = ContextFlags().Override(InFile(), kNetwork);
  ASSERT_TRUE(contexts.ok()) << contexts.status();
  ASSERT_EQ(contexts->size(), 1u);
  ExpectSame(contexts->front(), InFile());
}

TEST(ContextFlags, EachChangesItsOwnField) {
  struct Case {
    ContextFlags flags;
    ContextInference expected;
  };
  std::vector<Case> cases(5, {{}, InFile()});
  cases[0].flags.context = cases[0].expected.choice.rule = ContextRule::kAgent;
  cases[1].flags.sample_context = cases[1].expected.choice.sample = false;
  cases[2].flags.share = cases[2].expected.choice.share = 1;
  cases[3].flags.confidence = cases[3].expected.choice.confidence = 0;
  cases[4].flags.context_steps = {0};
  cases[4].expected.steps = 0;
  for (const Case& tried : cases) {
    const auto contexts = tried.flags.Override(InFile(), kNetwork);
    ASSERT_TRUE(contexts.ok()) << contexts.status();
    ASSERT_EQ(contexts->size(), 1u);
    ExpectSame(contexts->front(), tried.expected);
  }
}

TEST(ContextFlags, EachNumberOfStepsIsScoredInTheirOrder) {
  ContextFlags flags;
  flags.context_steps = {4, 0, 2};
  flags.context = ContextRule::kFull;
  const auto contexts = flags.Override(InFile(), kNetwork);
  ASSERT_TRUE(contexts.ok()) << contexts.status();
  ASSERT_EQ(contexts->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    ContextInference expected = InFile();
    expected.steps = flags.context_steps[i];
    expected.choice.rule = ContextRule::kFull;
    ExpectSame((*contexts)[i], expected);
  }
}

// A flag that would have no effect is refused by its name.
TEST(ContextFlags, NetworksWithoutContextTakeNone) {
  const auto none = ContextFlags().Override(std::nullopt, kNetwork);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_TRUE(none->empty());

  ContextFlags steps, rule, sample, share, confidence;
  steps.context_steps = {2};
  rule.context = ContextRule::kAgent;
  sample.sample_context = false;
  share.share = 0.5;
  confidence.confidence = 0.5;
  for (const auto& [flags, name] : std::vector<std::pair<ContextFlags, std::string>>{{steps, "--context_steps:"},
                                                                                     {rule, "--context:"},
                                                                                     {sample, "--sample_context:"},
                                                                                     {share, "--share:"},
                                                                                     {confidence, "--confidence:"}}) {
    const absl::Status refused = flags.Override(std::nullopt, kNetwork).status();
    EXPECT_TRUE(IsWrongFlag(refused)) << refused;
    EXPECT_TRUE(absl::StartsWith(refused.message(), name)) << refused;
    EXPECT_TRUE(absl::StrContains(refused.message(), kNetwork)) << refused;
  }
}

TEST(ContextFlags, AreReadFromTheCommandLine) {
  ContextFlags flags;
  SettingVisitor settings;
  flags.Settings(settings);
  const auto read = ParseArguments(
      {"--context_steps=0,2", "--context=confident", "--nosample_context", "--confidence=0.9", "--share=1"}, settings);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(Apply(read->assignments, settings).ok());
  ASSERT_TRUE(CheckBounds(settings).ok());
  EXPECT_EQ(flags.context_steps, (std::vector<int>{0, 2}));
  EXPECT_EQ(flags.context, ContextRule::kConfident);
  EXPECT_EQ(flags.sample_context, false);
  EXPECT_EQ(flags.confidence, 0.9);
  EXPECT_EQ(flags.share, 1);
}

// Every field goes through its text and back, and has bounds.
TEST(ContextSettings, NamesEveryField) {
  ContextInference from = InFile(), to;
  SettingVisitor source, target;
  ContextSettings(source, from);
  ContextSettings(target, to);
  std::vector<std::string> names;
  for (const BoundSetting& setting : source.settings()) {
    names.push_back(setting.name);
    std::string error;
    EXPECT_NE(target.Find(setting.name)->text(), setting.text()) << setting.name;
    EXPECT_TRUE(target.Find(setting.name)->parse(setting.text(), error)) << error;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"context", "context_steps", "sample_context", "share", "confidence"}));
  ExpectSame(to, InFile());

  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"context_steps", "-1"}, {"share", "1.5"}, {"share", "-0.5"}, {"confidence", "2"}, {"confidence", "-1"}}) {
    ContextInference inference;
    SettingVisitor settings;
    ContextSettings(settings, inference);
    std::string error;
    ASSERT_TRUE(settings.Find(name)->parse(text, error)) << error;
    const absl::Status refused = CheckBounds(settings);
    EXPECT_TRUE(IsWrongFlag(refused) && absl::StrContains(refused.message(), name)) << name << " " << text << refused;
  }
  std::string error;
  EXPECT_FALSE(target.Find("context")->parse("guess", error));
}

TEST(ContextToString, SaysWhatTheRuleNeeds) {
  ContextInference inference;
  EXPECT_EQ(ToString(inference), "agent, 2 steps");
  inference.choice.sample = true;
  inference.steps = 1;
  EXPECT_EQ(ToString(inference), "agent, drawn, 1 step");
  inference.choice.rule = ContextRule::kFull;
  EXPECT_EQ(ToString(inference), "full, 1 step");
  inference.choice.rule = ContextRule::kRandom;
  EXPECT_EQ(ToString(inference), "random 0.5, 1 step");
  inference.choice = {.rule = ContextRule::kConfident, .confidence = 0.9};
  EXPECT_EQ(ToString(inference), "confident 0.9, 1 step");
  inference.steps = 0;
  EXPECT_EQ(ToString(inference), "Base alone");
}

}  // namespace
}  // namespace experiments
