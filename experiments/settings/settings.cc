#include "experiments/settings/settings.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/cord.h"
#include "absl/strings/str_format.h"
#include "autograd/runtime/error.h"

namespace experiments {
namespace {

constexpr char kWrongFlag[] = "experiments/wrong_flag";

// The home folder of `user`, or of whoever runs the program; empty when it is not known.
std::string HomeFolder(const std::string& user) {
  if (user.empty()) {
    if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return home;
  }
  const passwd* entry = user.empty() ? getpwuid(getuid()) : getpwnam(user.c_str());
  return entry != nullptr && entry->pw_dir != nullptr ? entry->pw_dir : "";
}

}  // namespace

absl::Status WrongFlag(absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kWrongFlag, absl::Cord());
  return status;
}

bool IsWrongFlag(const absl::Status& status) { return status.GetPayload(kWrongFlag).has_value(); }

std::string Bounds::ToString() const {
  if (std::isinf(most) && std::isinf(least)) return "a number";
  if (std::isinf(most)) return absl::StrFormat("%s %g", least_excluded ? "above" : "at least", least);
  if (std::isinf(least)) return absl::StrFormat("%s %g", most_excluded ? "below" : "at most", most);
  return absl::StrFormat("in %s%g, %g%s", least_excluded ? "(" : "[", least, most, most_excluded ? ")" : "]");
}

BoundSetting& SettingVisitor::Path(absl::string_view name, std::string& value, absl::string_view help) {
  BoundSetting& setting = Add(name, help);
  setting.parse = [&value](absl::string_view text, std::string&) {
    value = ResolvePath(std::string(text));
    return true;
  };
  setting.text = [&value] { return value; };
  setting.within_bounds = [] { return true; };
  return setting;
}

BoundSetting* SettingVisitor::Find(absl::string_view name) {
  for (BoundSetting& setting : settings_) {
    if (setting.name == name) return &setting;
  }
  for (BoundSetting& setting : settings_) {
    for (const std::string& former : setting.former_names) {
      if (former == name) return &setting;
    }
  }
  return nullptr;
}

BoundSetting& SettingVisitor::Add(absl::string_view name, absl::string_view help) {
  autograd::Require(std::none_of(settings_.begin(), settings_.end(),
                                 [&](const BoundSetting& setting) { return setting.name == name; }),
                    "SettingVisitor", "two settings are called ", std::string(name));
  BoundSetting& setting = settings_.emplace_back();
  setting.name = std::string(name);
  setting.help = std::string(help);
  setting.group = group_;
  return setting;
}

std::string ResolvePath(const std::string& path) {
  if (path.empty()) return path;
  std::filesystem::path resolved = path;
  if (path[0] == '~') {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string home = HomeFolder(path.substr(1, slash - 1));
    if (!home.empty()) resolved = home + path.substr(slash);
  }
  const char* typed_in = std::getenv("BUILD_WORKING_DIRECTORY");
  if (resolved.is_relative() && typed_in != nullptr) resolved = std::filesystem::path(typed_in) / resolved;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(resolved, error);
  std::string text = (error ? resolved : absolute).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace experiments
