#pragma once

// Enums as texts, for AbslParseFlag and AbslUnparseFlag.

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace experiments {

template <typename Enum>
struct EnumText {
  Enum value;
  const char* text;
};

// False, with the texts there are in `error`, for another one.
template <typename Enum, size_t kCount>
bool ParseEnum(absl::string_view text, const EnumText<Enum> (&texts)[kCount], Enum* value, std::string* error) {
  for (const EnumText<Enum>& known : texts) {
    if (text == known.text) {
      *value = known.value;
      return true;
    }
  }
  *error = "choose ";
  for (size_t i = 0; i < kCount; ++i)
    absl::StrAppend(error, i == 0 ? "" : i + 1 == kCount ? " or " : ", ", texts[i].text);
  return false;
}

template <typename Enum, size_t kCount>
std::string PrintEnum(Enum value, const EnumText<Enum> (&texts)[kCount]) {
  for (const EnumText<Enum>& known : texts) {
    if (value == known.value) return known.text;
  }
  return "?";
}

// The base of a SettingText for an enum whose namespace is not to know of flags:
//
//   template <>
//   struct SettingText<rl::Credit> : SettingTextOf<rl::Credit, 3, kCredits> {};
template <typename Enum, size_t kCount, const EnumText<Enum> (&kTexts)[kCount]>
struct SettingTextOf {
  static bool Parse(absl::string_view text, Enum& value, std::string& error) {
    return ParseEnum(text, kTexts, &value, &error);
  }
  static std::string Print(Enum value) { return PrintEnum(value, kTexts); }
};

}  // namespace experiments
