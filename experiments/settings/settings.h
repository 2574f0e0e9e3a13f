#pragma once

// Settings are named once. A struct of options lists its fields, as a module lists its parameters:
//
//   struct CissOptions {
//     int rollout = 4;
//     double discount = 0.9;
//     void Settings(SettingVisitor& visitor) {
//       visitor.Group("CiSS-Net");
//       visitor.Setting("rollout", rollout, "steps of the MDP a rollout (T)", AtLeast(1));
//       visitor.Setting("discount", discount, "of later rewards (gamma)", In(0, 1));
//     }
//   };
//
// From that one list follow the flag --rollout, its line in --help, the error of a value out of bounds, the row of the
// report, the line of the file `settings` in a run's folder, and the identity of the run that --resume compares
// (settings/identity.h).

#include <cmath>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/flags/marshalling.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace experiments {

// The error of a wrong flag: RunProgram exits with 2 for it, and with 1 for others.
absl::Status WrongFlag(absl::string_view message);
bool IsWrongFlag(const absl::Status& status);

// The values that a number (or each of several) may have.
struct Bounds {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool least_excluded = false, most_excluded = false;

  bool Contain(double value) const {
    return (least_excluded ? value > least : value >= least) && (most_excluded ? value < most : value <= most);
  }
  std::string ToString() const;  // "at least 1", "in [0, 1)"
};
inline Bounds AtLeast(double least) { return {.least = least}; }
inline Bounds Above(double least) { return {.least = least, .least_excluded = true}; }
inline Bounds In(double least, double most) { return {.least = least, .most = most}; }
inline Bounds Below(double least, double most) { return {.least = least, .most = most, .most_excluded = true}; }

// What another value means for a run.
enum class SettingRole : uint8_t {
  kResult,  // another result: a run does not go on, and a finished run is not shown, under another value
  kLength,  // how long a run is: it may go on under another value, but a finished run is not the one that is asked for
  kFree,    // neither: where, how fast and how often something is shown
};

// Text to values and back. Numbers, bool, std::string and enums that have AbslParseFlag as Abseil reads and prints
// them; an optional is empty text where it has no value; a vector is joined by commas.
template <typename T>
struct SettingText {
  static bool Parse(absl::string_view text, T& value, std::string& error) {
    return absl::ParseFlag(std::string(text), &value, &error);
  }
  static std::string Print(const T& value) { return absl::UnparseFlag(value); }
};
template <typename T>
struct SettingText<std::optional<T>> {
  static bool Parse(absl::string_view text, std::optional<T>& value, std::string& error) {
    if (text.empty()) {
      value.reset();
      return true;
    }
    T parsed{};
    if (!SettingText<T>::Parse(text, parsed, error)) return false;
    value = std::move(parsed);
    return true;
  }
  static std::string Print(const std::optional<T>& value) {
    return value.has_value() ? SettingText<T>::Print(*value) : std::string();
  }
};
template <typename T>
struct SettingText<std::vector<T>> {
  static bool Parse(absl::string_view text, std::vector<T>& values, std::string& error) {
    std::vector<T> parsed;
    for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
      T value{};
      if (!SettingText<T>::Parse(part, value, error)) {
        error = absl::StrCat("'", part, "' in it", error.empty() ? "" : ": ", error);
        return false;
      }
      parsed.push_back(std::move(value));
    }
    values = std::move(parsed);
    return true;
  }
  static std::string Print(const std::vector<T>& values) {
    return absl::StrJoin(values, ",",
                         [](std::string* text, const T& value) { text->append(SettingText<T>::Print(value)); });
  }
};

// The numbers that bounds hold for.
template <typename T>
bool WithinBounds(const T& value, const Bounds& bounds) {
  if constexpr (std::is_arithmetic_v<T>) {
    return bounds.Contain(static_cast<double>(value));
  }
  return true;
}
template <typename T>
bool WithinBounds(const std::optional<T>& value, const Bounds& bounds) {
  return !value.has_value() || WithinBounds(*value, bounds);
}
template <typename T>
bool WithinBounds(const std::vector<T>& values, const Bounds& bounds) {
  for (const T& value : values) {
    if (!WithinBounds(value, bounds)) return false;
  }
  return true;
}

// One setting, bound to its field.
struct BoundSetting {
  std::string name, group, help;
  SettingRole role = SettingRole::kResult;
  bool is_switch = false;                 // --name and --noname are enough
  bool is_flag = true;                    // else it is a row's own choice: of its identity and its report alone
  std::vector<std::string> former_names;  // read with a note
  std::string in_place_of;                // the setting that this one, where it is not 0, takes the place of
  std::function<bool(absl::string_view text, std::string& error)> parse;
  std::function<std::string()> text;  // what `parse` reads
  std::function<bool()> within_bounds;
  Bounds bounds;

  BoundSetting& Role(SettingRole value) {
    role = value;
    return *this;
  }
  BoundSetting& OfTheRow() {
    is_flag = false;
    return *this;
  }
  BoundSetting& Formerly(std::string former_name) {
    former_names.push_back(std::move(former_name));
    return *this;
  }
  // A number that takes the place of the setting `other` where it is not 0. Of the two the one that is assigned last
  // counts: an assignment to `other` makes this one 0, which a preset may have set.
  BoundSetting& InPlaceOf(std::string other) {
    in_place_of = std::move(other);
    return *this;
  }
};

// Collects settings in the order in which they are named. The structs that are visited must outlive it.
class SettingVisitor {
 public:
  // The settings that follow belong to it, in --help and in reports. A group may be opened again.
  void Group(absl::string_view title) { group_ = std::string(title); }

  // A name that is taken is an autograd::Error.
  template <typename T>
  BoundSetting& Setting(absl::string_view name, T& value, absl::string_view help, Bounds bounds = {}) {
    BoundSetting& setting = Add(name, help);
    setting.bounds = bounds;
    setting.is_switch = std::is_same_v<T, bool> || std::is_same_v<T, std::optional<bool>>;
    setting.parse = [&value](absl::string_view text, std::string& error) {
      return SettingText<T>::Parse(text, value, error);
    };
    setting.text = [&value] { return SettingText<T>::Print(value); };
    setting.within_bounds = [&value, bounds] { return WithinBounds(value, bounds); };
    return setting;
  }

  // A file or folder: "~" is the home folder, and a relative path starts where the user typed the command
  // (ResolvePath).
  BoundSetting& Path(absl::string_view name, std::string& value, absl::string_view help);

  std::deque<BoundSetting>& settings() { return settings_; }
  const std::deque<BoundSetting>& settings() const { return settings_; }
  // By its name or a former one; null when there is none. FindFlag: among those that are flags.
  BoundSetting* Find(absl::string_view name);
  BoundSetting* FindFlag(absl::string_view name) {
    BoundSetting* found = Find(name);
    return found != nullptr && found->is_flag ? found : nullptr;
  }

 private:
  BoundSetting& Add(absl::string_view name, absl::string_view help);

  std::string group_;
  std::deque<BoundSetting> settings_;
};

// `path` as an absolute one without "." and "..": "~" is the home folder, "~name" that of a user, and a relative path
// starts where the user typed the command (`bazel run` starts programs elsewhere).
std::string ResolvePath(const std::string& path);

}  // namespace experiments
