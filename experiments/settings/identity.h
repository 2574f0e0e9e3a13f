#pragma once

// What makes a run this run and not another: its settings, kept beside what it has written.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "experiments/settings/settings.h"

namespace experiments {

struct SettingValue {
  std::string name, value;
  SettingRole role = SettingRole::kResult;
};
using SettingValues = std::vector<SettingValue>;

// All settings with their present values.
SettingValues ValuesOf(const SettingVisitor& settings);

struct SettingDifference {
  std::string name, before, now;
};
// The settings of `now` that have another value in `before`, or are not in it, and whose role is at most as loose as
// `loosest` (kResult < kLength < kFree).
std::vector<SettingDifference> Differences(absl::Span<const std::pair<std::string, std::string>> before,
                                           const SettingValues& now, SettingRole loosest);

// "--crop is 64 there, 96 here; --seed is 0 there, 1 here".
std::string ToString(const std::vector<SettingDifference>& differences);

}  // namespace experiments
