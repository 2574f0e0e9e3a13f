#include "nn/checkpoints/prefixes.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace nn {
namespace {

TEST(Prefixes, AreDroppedInAnyOrderAndNumber) {
  const std::pair<const char*, const char*> names[] = {{"fc.weight", "fc.weight"},
                                                       {"model.fc.weight", "fc.weight"},
                                                       {"module.model.fc.weight", "fc.weight"},
                                                       {"model.module.model.fc.weight", "fc.weight"},
                                                       {"fc.model.weight", "fc.model.weight"},
                                                       {"models.fc.weight", "models.fc.weight"},
                                                       {"module.", ""},
                                                       {"", ""}};
  for (const auto& [name, expected] : names) {
    absl::string_view rest = name;
    DropPrefixes({"module.", "model."}, rest);
    EXPECT_EQ(rest, expected) << name;
  }
}

TEST(Prefixes, OneOfThemMustBegin) {
  EXPECT_TRUE(BeginsWithAny("head.weight", {"fc.", "head."}));
  EXPECT_TRUE(BeginsWithAny("fc.", {"fc.", "head."}));
  EXPECT_FALSE(BeginsWithAny("overhead.weight", {"fc.", "head."}));
  EXPECT_FALSE(BeginsWithAny("fc", {"fc.", "head."}));
  EXPECT_FALSE(BeginsWithAny("fc.weight", {}));
}

}  // namespace
}  // namespace nn
