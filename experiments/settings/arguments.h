#pragma once

// Where the values of settings come from: the command line, and files of settings. Both give Assignments, in the order
// in which they take effect.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "experiments/settings/settings.h"

namespace experiments {

struct Assignment {
  std::string name, text;
  std::string source;  // what the user wrote: "--steps=10", or "FILE:3: steps=10"
};

struct Arguments {
  std::vector<Assignment> assignments;
  bool help = false;
};

// --name=value, --name value, and for switches --name and --noname. A wrong flag (WrongFlag) is one that `known` does
// not have, with the nearest name that it has, one without its value, and an argument that is no flag.
absl::StatusOr<Arguments> ParseArguments(absl::Span<const char* const> arguments, SettingVisitor& known);

// Lines "name=value"; empty ones and those that begin with # say nothing. The errors name file and line.
absl::StatusOr<std::vector<Assignment>> ReadSettingsFile(const std::string& path, SettingVisitor& known);

// Sets the fields, in order, and to 0 those that stood in the place of one (BoundSetting::InPlaceOf). `notes` gets a
// line for each former name in use.
absl::Status Apply(absl::Span<const Assignment> assignments, SettingVisitor& settings,
                   std::vector<std::string>* notes = nullptr);

// The first value out of its bounds, as a wrong flag.
absl::Status CheckBounds(const SettingVisitor& settings);

// What ReadSettingsFile reads: every setting with its value, by group.
std::string SettingsText(const SettingVisitor& settings, absl::string_view title);

// For --help: a line a setting, with its present value, by group in the order of the visit.
std::string HelpText(const SettingVisitor& settings);

// The last text that is assigned to `name`, or nullptr.
const Assignment* FindAssignment(absl::Span<const Assignment> assignments, absl::string_view name);

}  // namespace experiments
