#include "experiments/settings/identity.h"

#include "absl/strings/str_cat.h"

namespace experiments {

SettingValues ValuesOf(const SettingVisitor& settings) {
  SettingValues values;
  for (const BoundSetting& setting : settings.settings())
    values.push_back({setting.name, setting.text(), setting.role});
  return values;
}

std::vector<SettingDifference> Differences(absl::Span<const std::pair<std::string, std::string>> before,
                                           const SettingValues& now, SettingRole loosest) {
  std::vector<SettingDifference> differences;
  for (const SettingValue& setting : now) {
    if (setting.role > loosest) continue;
    const std::string* earlier = nullptr;
    for (const auto& [name, value] : before) {
      if (name == setting.name) earlier = &value;
    }
    if (earlier == nullptr) {
      differences.push_back({setting.name, "not known", setting.value});
    } else if (*earlier != setting.value) {
      differences.push_back({setting.name, *earlier, setting.value});
    }
  }
  return differences;
}

std::string ToString(const std::vector<SettingDifference>& differences) {
  const auto shown = [](const std::string& value) { return value.empty() ? std::string("empty") : value; };
  std::string text;
  for (const SettingDifference& difference : differences)
    absl::StrAppend(&text, text.empty() ? "" : "; ", "--", difference.name, " is ", shown(difference.before),
                    " there, ", shown(difference.now), " here");
  return text;
}

}  // namespace experiments
